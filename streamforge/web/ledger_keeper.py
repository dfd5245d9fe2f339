"""Takes the ledger now and then while somebody looks, person or scrape: it scans what waits, so it is not free."""

import threading
import time
from collections.abc import Callable

from streamforge.clock import now_us
from streamforge.errors import StreamForgeError
from streamforge.gateway import ledger
from streamforge.gateway.ledger.rows import total
from streamforge.metrics import ByLabels, Metrics
from streamforge.web.snapshot import Ledger, SinkLedger

EVERY_SECONDS = 15.0
# The share of one core that counting may take.
MOST_SHARE = 0.1
# Beyond this a sink's backlog is not counted one by one: the scan costs more than the picture is worth.
MOST_WAITING_RECORDS = 50_000

Take = Callable[[ledger.Said], tuple[ledger.Ledger, ledger.Said]]


class LedgerKeeper:
    """The last ledger; `look` begins a fresh one in a thread when it is old. Thread-safe.

    `take` is given what the units said last, for those that do not answer now.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._last: Ledger | None = None
        self._said = ledger.Said()
        self._uneven: frozenset[str] = frozenset()
        self._next = 0.0

    def look(self) -> Ledger | None:
        """The last ledger, None before the first."""
        with self._lock:
            if time.monotonic() >= self._next:
                self._next = float("inf")
                threading.Thread(target=self._renew, name="ledger", daemon=True).start()
            return self._last

    def show_in(self, metrics: Metrics) -> None:
        """Export it; a scrape counts as a look."""
        readings = "Readings of the ledger, by sink: read = delivered + waiting + rejected + evicted"
        metrics.gauges("ledger_readings", readings, ("sink", "figure"), self._readings)
        metrics.gauges("ledger_balanced", "1 while every reading of the sink is accounted for", ("sink",), self._even)
        metrics.gauges("ledger_taken_timestamp_seconds", "When the ledger was counted", (), self._when)

    def _readings(self) -> ByLabels:
        last = self.look()
        sinks = last.sinks if last is not None else ()
        return {(sink.name, figure): float(getattr(sink, figure)) for sink in sinks for figure in ledger.FIGURES}

    def _even(self) -> ByLabels:
        last = self.look()
        return {(sink.name,): float(sink.missing == 0) for sink in last.sinks} if last is not None else {}

    def _when(self) -> ByLabels:
        last = self.look()
        return {(): last.taken_us / 1e6} if last is not None else {}

    def _renew(self) -> None:
        fresh: Ledger | None = None
        began = time.monotonic()
        try:
            taken, self._said = self._take(self._said)
            fresh = self._counted(taken)
        except (StreamForgeError, OSError, ValueError, KeyError):
            fresh = None  # the broker or a unit is away: the old one stands
        finally:
            with self._lock:
                self._last = fresh or self._last
                ended = time.monotonic()
                self._next = ended + max(EVERY_SECONDS, (ended - began) / MOST_SHARE)

    def _counted(self, taken: ledger.Ledger) -> Ledger | None:
        """A unit that restarts between the questions makes one uneven picture: only the second in a row is told."""
        if not taken.rows:
            return None
        sinks = taken.sinks()
        uneven = frozenset(name for name, rows in sinks.items() if _missing(rows))
        told, self._uneven = uneven & self._uneven, uneven
        now = now_us()
        return Ledger(
            taken_us=now, sinks=tuple(self._sink(name, rows, now, is_told=name in told) for name, rows in sinks.items())
        )

    def _sink(self, name: str, rows: tuple[ledger.Row, ...], now: int, *, is_told: bool) -> SinkLedger:
        figures = total(rows)
        shown = name.replace("@", "/")
        before = next((one for one in self._last.sinks if one.name == shown), None) if self._last else None
        seconds = (now - self._last.taken_us) / 1e6 if self._last else 0.0
        return SinkLedger(
            name=shown,
            missing=_missing(rows) if is_told else 0,
            growth_per_second=(figures["waiting"] - before.waiting) / seconds if before and seconds > 0 else None,
            note=next((row.note for row in rows if row.note), ""),
            is_judged=all(row.is_judged for row in rows),
            **figures,
        )


def _missing(rows: tuple[ledger.Row, ...]) -> int:
    """Readings that nobody accounts for, where it can be judged; not 0 where one row lacks what another has twice."""
    missing = [row.missing for row in rows if row.is_judged]
    return sum(missing) or sum(map(abs, missing))
