"""When to poll: a monotonic grid with a phase offset; an overrun skips whole slots and never queues polls."""

import math
from dataclasses import dataclass

MOST_OFFSET_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Grid:
    """Slots at `phase_seconds + n * interval_seconds` of the monotonic clock; interval 0 = always due."""

    interval_seconds: float
    phase_seconds: float = 0.0
    overruns: int = 0
    _slot: int = -1

    def next_seconds(self, now_seconds: float) -> float:
        """The time of the next slot after the last one taken, not before now; slots missed are counted."""
        if self.interval_seconds <= 0.0:
            return now_seconds
        due = math.ceil((now_seconds - self.phase_seconds) / self.interval_seconds)
        if self._slot >= 0 and due > self._slot + 1:
            self.overruns += due - self._slot - 1
        self._slot = max(due, self._slot + 1)
        return self.phase_seconds + self._slot * self.interval_seconds


def phases(intervals_seconds: list[float]) -> list[float]:
    """An offset for each device so that devices of one interval do not all poll in the same instant.

    Never more than a second, so that what is read once an hour is read at the start, too.
    """
    count = len(intervals_seconds)
    return [min(interval, MOST_OFFSET_SECONDS) * index / count for index, interval in enumerate(intervals_seconds)]
