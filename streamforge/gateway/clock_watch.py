"""Steps of the wall clock: each is one event in the spool, with the offset; docs/clock.md.

The kernel slews CLOCK_REALTIME and CLOCK_BOOTTIME together, so that their difference is constant until somebody sets
the clock. A look compares it with the last one that was said; what is not said yet, because the disk did not take it
or because it is small, is part of the next event, so that the sum of all events is always the truth.
"""

import errno
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streamforge.clock import ClockQuality
from streamforge.logs import Log
from streamforge.model import Event, Severity

# Less than a leap second, and more than timesyncd ever corrects by a step (it slews up to 0.4 s).
LEAST_STEP_NS = 500_000_000
STATE_FILE = "clock.json"
SOURCE = "streamforge-syncd"
# Two readings of one clock around one of the other: further apart, and this process was stopped in between.
_MOST_APART_NS = 50_000_000
_TRIES = 5
PERIOD_SECONDS = 0.5
# After the spool did not take one.
REST_SECONDS = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = Log("syncd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Up to where the steps of this boot were said: `series` names the boot, `number` the last event in it.

    `offset_ns` is CLOCK_REALTIME - CLOCK_BOOTTIME.
    """

    series: str
    number: int
    offset_ns: int


def offset_ns() -> int | None:
    """CLOCK_REALTIME - CLOCK_BOOTTIME now; None where this process gets no moment to read both."""
    for _ in range(_TRIES):
        before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        real_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if after_ns - before_ns <= _MOST_APART_NS:
            return real_ns - (before_ns + after_ns) // 2
    return None


class ClockWatch:
    """Looks whenever it is asked. `directory` outlives a restart of the unit, and not the boot."""

    def __init__(
        self,
        put: Callable[[Event], bool],
        directory: Path,
        *,
        offset: Callable[[], int | None] = offset_ns,
        quality: Callable[[], ClockQuality] = ClockQuality,
    ) -> None:
        self._put = put
        self._path = directory / STATE_FILE
        self._offset = offset
        self._quality = quality
        self._said = self._load()

    def look(self) -> Event | None:
        """The event of a step since the last one said, on the disk now. Raises OSError where the spool refuses it.

        Then it is said later, together with what comes on top of it.
        """
        now_ns = self._offset()
        if now_ns is None:
            return None
        if self._said is None:
            self._save(Said(series=secrets.token_hex(4), number=0, offset_ns=now_ns))
            return None
        if abs(now_ns - self._said.offset_ns) < LEAST_STEP_NS:
            return None
        said = replace(self._said, number=self._said.number + 1, offset_ns=now_ns)
        event = self._event(self._said.offset_ns, said)
        if not self._put(event):
            raise OSError(errno.ENOSPC, "the event spool is full")
        self._save(said)
        return event

    def _event(self, before_ns: int, said: Said) -> Event:
        boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        time_us = (said.offset_ns + boot_ns) // 1000
        before_us = (before_ns + boot_ns) // 1000
        seconds = (said.offset_ns - before_ns) / 1e9
        hostname = os.uname().nodename
        return Event(
            event_id=f"clock_step/{hostname}/{said.series}-{said.number}",
            asset_id=hostname,
            type="clock_step",
            severity=Severity.MEDIUM,
            time_us=time_us,
            message=f"The clock was set {'forward' if seconds > 0 else 'back'} by {_in_words(seconds)}.",
            source=SOURCE,
            details={
                "seconds": f"{seconds:+.3f}",
                "before": _iso(before_us),
                "after": _iso(time_us),
                # A new one each time: what the last one remembers is of the clock before.
                "time_quality": self._quality().now(time_us).name.lower(),
            },
        )

    def _load(self) -> Said | None:
        try:
            raw: dict[str, Any] = json.loads(self._path.read_text())
            return Said(**raw)
        except (OSError, ValueError, TypeError):
            return None

    def _save(self, said: Said) -> None:
        """For the next start of this unit: in memory, so without a sync. Where that fails this process knows it."""
        self._said = said
        draft = self._path.with_suffix(".part")
        draft.write_text(json.dumps(asdict(said)))
        draft.rename(self._path)


class ClockThread:
    """Looks twice a second in a thread of its own, because a dead disk keeps whoever writes to it for ever."""

    def __init__(self, watch: ClockWatch, on_step: Callable[[], None]) -> None:
        self._watch = watch
        self._on_step = on_step
        self._refused = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def start(self) -> None:
        """Begin, with a look at once."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """No look any more; a write that is under way has that long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(REST_SECONDS if self._turn() else PERIOD_SECONDS)

    def _turn(self) -> str:
        """One look; why it came to nothing, said in the journal once."""
        refused = ""
        try:
            if (event := self._watch.look()) is not None:
                _log.info("clock_step", **event.details)
                self._on_step()
        except OSError as error:
            refused = error.strerror or str(error)
            if refused != self._refused:
                _log.warning("clock_watch_hindered", reason=refused)
        self._refused = refused
        return refused


def _iso(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="milliseconds")


def _in_words(seconds: float) -> str:
    """A step that a person grasps: 56.9 years, 1.0 hours, 2.5 s."""
    size = abs(seconds)
    for unit, length in (("years", 365.2425 * 86_400), ("days", 86_400.0), ("hours", 3_600.0)):
        if size >= length:
            return f"{size / length:.1f} {unit}"
    return f"{size:.1f} s"
