"""How old a record is at least, without any wall clock: since when the controller has seen it stand on the log.

A clock that steps by a year would make everything old at once, and so would the broker's own timestamps, which are
that clock's. So a record is an hour old when this process saw it an hour ago, by the monotonic clock. After a restart
the ages begin anew: what is old stays up to an hour longer, and nothing ever goes too early.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamforge.gateway.overflow.log_use import PartitionLog
from streamforge.progress import Partition

OLD_SECONDS = 3600.0
# How finely ages are told.
STEP_SECONDS = 60.0


@dataclass(slots=True)
class Ages:
    """Of some partitions: below which offset everything had been written at which moment."""

    _seen: dict[Partition, deque[tuple[float, int]]] = field(default_factory=dict)

    def note(self, partitions: Iterable[PartitionLog], now_seconds: float) -> None:
        """What stands below the newest segment's first offset is there by now."""
        for log in partitions:
            seen = self._seen.setdefault(log.place, deque())
            first = log.segments[-1].first if log.segments else 0
            if seen and first < seen[-1][1]:  # another log: its offsets began anew
                seen.clear()
            if not seen or now_seconds - seen[-1][0] >= STEP_SECONDS:
                seen.append((now_seconds, first))

    def old(self, now_seconds: float, seconds: float = OLD_SECONDS) -> dict[Partition, int]:
        """Partition -> the offset below which everything is older than that."""
        found = {}
        for place, seen in self._seen.items():
            while len(seen) > 1 and now_seconds - seen[1][0] >= seconds:
                seen.popleft()
            if seen and now_seconds - seen[0][0] >= seconds:
                found[place] = seen[0][1]
        return found
