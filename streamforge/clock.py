"""The gateway's own clock, and how far it can be trusted. Nothing waits for it: a boot in 1970 works."""

import time
from pathlib import Path

from streamforge.model import TimeQuality

# systemd-timesyncd touches it after the first answer of a server since boot (systemd-timesyncd.service(8)).
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")
# Before this the clock was never set: the product is younger (2026-01-01 UTC).
EARLIEST_US = 1_767_225_600_000_000
CHECK_SECONDS = 10.0


def now_us() -> int:
    """Wall-clock microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class ClockQuality:
    """Answers the quality of the clock, looking at the system at most every ten seconds."""

    def __init__(self, synchronized: Path = SYNCHRONIZED) -> None:
        self._path = synchronized
        self._checked_at = -CHECK_SECONDS
        self._quality = TimeQuality.UNSET

    def now(self, time_us: int) -> TimeQuality:
        """The quality of the wall-clock time `time_us` that was just read."""
        monotonic = time.monotonic()
        if monotonic - self._checked_at >= CHECK_SECONDS:
            self._checked_at = monotonic
            self._quality = self._look(time_us)
        return self._quality

    def _look(self, time_us: int) -> TimeQuality:
        if self._path.exists():
            return TimeQuality.SYNCED
        return TimeQuality.HOLDOVER if time_us > EARLIEST_US else TimeQuality.UNSET
