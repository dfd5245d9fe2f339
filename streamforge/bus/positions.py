"""Where reading goes on in each partition, and what was missing on the way there."""

from collections.abc import Mapping
from dataclasses import replace

from streamforge.bus.fetched import Cause, Fetched, Hole
from streamforge.progress import Partition


class Positions:
    """Of the assigned partitions: `next` is the offset to read next, `holes` what was missing, as it was noticed."""

    def __init__(self) -> None:
        self.next: dict[Partition, int] = {}
        self.holes: list[Hole] = []
        self._before: dict[Partition, Hole] = {}

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Go on from these; replaces what was there."""
        self.next = dict(positions)
        self._before.clear()

    def skip(self, place: Partition, to: int, cause: Cause) -> None:
        """Pass over what is missing before that offset, if anything is, and note it."""
        first = self.next[place]
        if to <= first:
            return
        self.holes.append(Hole(partition=place, first=first, next_offset=to, cause=cause))
        before = self._before.get(place)
        if before is not None:
            first, cause = before.first, max(before.cause, cause, key=list(Cause).index)
        self._before[place] = Hole(partition=place, first=first, next_offset=to, cause=cause)
        self.next[place] = to

    def taken(self, fetched: Fetched) -> Fetched:
        """Go on after this record, which now says what was missing directly before it."""
        self.next[fetched.partition] = fetched.offset + 1
        hole = self._before.pop(fetched.partition, None)
        return fetched if hole is None else replace(fetched, hole=hole)
