"""Where each partition began when it was last looked at, on the disk: what is gone since without an eviction is known.

A topic's own retention deletes without asking or telling anybody. What everybody had may go like that; what a reader
still lacks must be told, also where this unit was dead meanwhile. The helper process notes what it evicted before it
forgets the decision, so that nothing is told a second time as retention's.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamforge.durable import write_durably
from streamforge.gateway.overflow.log_use import PartitionLog
from streamforge.gateway.overflow.plan import PRIORITIES, Cut, Held, needed_from
from streamforge.progress import Partition

FILE = "starts.json"


class Starts:
    """Up to where of each partition it is known, and told where it must be, what is gone."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._known = load(state)

    def gone(self, partitions: Sequence[PartitionLog], held: Held) -> tuple[Cut, ...]:
        """What is gone since and a reader lacks: by where the reader stands now. One that went on behind the hole
        counts that itself.
        """
        cuts = [
            Cut(place=place, end=end, size_bytes=0, held=held.get(place, {}), gone_from=self._known[place])
            for place, end in self._begins(partitions).items()
            if self._known.get(place, end) < end
        ]
        return tuple(cut for cut in cuts if (needed := needed_from(held, cut.place)) is not None and needed < cut.end)

    def settle(self, partitions: Sequence[PartitionLog]) -> None:
        """Nothing that is gone need be told. Raises OSError where that cannot be saved."""
        begins = self._begins(partitions)
        if begins != self._known:
            self._known = begins
            save(self._state, begins)

    def evicted(self, ends: Mapping[Partition, int]) -> None:
        """What was told; the helper process has saved it."""
        self._known |= ends

    def _begins(self, partitions: Sequence[PartitionLog]) -> dict[Partition, int]:
        """By the files, and by what was deleted and has still its files. A log that begins anew is shorter."""
        found = {}
        for log in partitions:
            if log.place.topic in PRIORITIES and log.segments:
                first, newest = log.segments[0].first, log.segments[-1].first
                before = self._known.get(log.place, first)
                found[log.place] = max(first, before) if before <= newest else first
        return found


def load(state: Path) -> dict[Partition, int]:
    """What stands there; nothing where the file is missing or damaged: then nothing is known to be gone."""
    try:
        rows = json.loads((state / FILE).read_text())
        return {Partition(topic, int(number)): int(offset) for topic, number, offset in rows}
    except (OSError, ValueError, TypeError):
        return {}


def save(state: Path, starts: Mapping[Partition, int]) -> None:
    """Bring it to the disk. Raises OSError."""
    rows = [[*place, offset] for place, offset in sorted(starts.items())]
    write_durably(state / FILE, json.dumps(rows).encode())
