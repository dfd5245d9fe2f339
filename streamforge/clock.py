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
    """Answers the quality of the clock, looking for the mark of timesyncd at most every ten seconds."""

    def __init__(self, synchronized: Path = SYNCHRONIZED) -> None:
        self._path = synchronized
        self._checked_at = -CHECK_SECONDS
        self._is_synchronized = False

    def now(self, time_us: int) -> TimeQuality:
        """The quality of the wall-clock time `time_us` that was just read; one that cannot be is unset, mark or not."""
        if time_us <= EARLIEST_US:
            return TimeQuality.UNSET
        monotonic = time.monotonic()
        if monotonic - self._checked_at >= CHECK_SECONDS:
            self._checked_at = monotonic
            self._is_synchronized = self._path.exists()
        return TimeQuality.SYNCED if self._is_synchronized else TimeQuality.HOLDOVER
