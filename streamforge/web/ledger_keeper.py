"""Takes the ledger now and then while somebody looks: it scans what waits in the log, so it is not free."""

import threading
import time
from collections.abc import Callable

from streamforge.clock import now_us
from streamforge.errors import StreamForgeError
from streamforge.gateway import ledger
from streamforge.web.snapshot import Ledger

EVERY_SECONDS = 15.0
# Beyond this the scan costs more than the picture is worth; the last one then stands with its time.
MOST_WAITING_RECORDS = 50_000


class LedgerKeeper:
    """The last ledger; `look` begins a fresh one in a thread when it is old. Thread-safe."""

    def __init__(self, take: Callable[[], ledger.Ledger]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._last: Ledger | None = None
        self._was_uneven = False
        self._next = 0.0

    def look(self, waiting_records: int) -> Ledger | None:
        """The last ledger, None before the first."""
        with self._lock:
            if time.monotonic() >= self._next and waiting_records <= MOST_WAITING_RECORDS:
                self._next = float("inf")
                threading.Thread(target=self._renew, name="ledger", daemon=True).start()
            return self._last

    def _renew(self) -> None:
        fresh: Ledger | None = None
        try:
            fresh = self._counted(self._take())
        except (StreamForgeError, OSError, ValueError, KeyError):
            fresh = None  # the broker or a unit is away: the old one stands
        finally:
            with self._lock:
                self._last = fresh or self._last
                self._next = time.monotonic() + EVERY_SECONDS

    def _counted(self, taken: ledger.Ledger) -> Ledger | None:
        """A unit that restarts between the questions makes one uneven picture: only the second in a row is told."""
        if not taken.rows:
            return None
        missing = sum(row.read - row.delivered - row.waiting - row.rejected - row.evicted for row in taken.rows)
        is_uneven = not taken.balanced
        told = (missing or 1) if is_uneven and self._was_uneven else 0
        self._was_uneven = is_uneven
        return Ledger(taken_us=now_us(), missing=told, **taken.totals())
