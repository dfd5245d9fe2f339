"""The latest time among the most recent records: what decides that something older is over, for a bounded stretch."""

from collections import deque


class Latest:
    """Greatest time since any offset of the last `most_records` records; a pure function of those records."""

    __slots__ = ("_most_records", "_steps")

    def __init__(self, most_records: int) -> None:
        self._most_records = most_records
        self._steps: deque[tuple[int, int]] = deque()  # (offset, time), times falling: the maxima of all suffixes

    def note(self, offset: int, time_us: int) -> None:
        """Take note of the next record."""
        steps = self._steps
        while steps and steps[-1][1] <= time_us:
            steps.pop()
        steps.append((offset, time_us))
        while offset - steps[0][0] > self._most_records:
            steps.popleft()

    def since(self, offset: int) -> int | None:
        """The greatest time of a record after this offset; None = there is none."""
        for at, time_us in self._steps:
            if at > offset:
                return time_us
        return None
