"""Counts what a reader of clean readings has dealt with, batch by batch; pure. Standard library and values only.

A sink counts what it writes, and the ledger what still waits for that sink, in the same way. So what waits today is
delivered, rejected or evicted tomorrow, and no reading moves twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamforge.incarnations import Incarnations
from streamforge.model import ReadingBatch
from streamforge.progress import Counted, CountKey, Partition, Position, Progress

NOTHING = Counted()
_NO_HOLE = -1


class Counting:
    """Goes on from what `held` counts; `holes` are the offsets after which the log goes on where it lost records.

    Readings missing between two batches count as evicted only where such a hole stands before the later one; anything
    else stays missing and shows as an imbalance of the ledger. Where the log has several partitions, numbers of the
    others are among those between two batches: what is evicted is then an upper bound.
    """

    def __init__(self, held: Progress, holes: Mapping[Partition, Sequence[int]] | None = None) -> None:
        self.counts = dict(held.counts)
        self.passed = dict(held.holes)
        self._holes = {place: list(ends) for place, ends in (holes or {}).items()}

    def hole(self, place: Partition, next_offset: int) -> None:
        """The log has lost records before this offset."""
        self._holes.setdefault(place, []).append(next_offset)

    def reach(self, place: Partition, offset: int) -> None:
        """The reader has come to this offset, and so has passed the holes before it."""
        ends = [end for end in self._holes.get(place, ()) if end <= offset]
        if ends:
            self.passed[place] = max(*ends, self.passed.get(place, _NO_HOLE))

    def add(self, place: Partition, offset: int, batch: ReadingBatch, *, is_refused: bool = False) -> None:
        """One batch more, at its offset; `is_refused`: the target is known never to take it."""
        self.reach(place, offset)
        key = CountKey(batch.source.adapter_id, batch.epoch, place.number)
        before = self.counts.get(key, NOTHING)
        missing = batch.count_before - before.next_count
        is_evicted = missing > 0 and self.has_lost_after(key, place)
        self.counts[key] = Counted(
            delivered=before.delivered + (0 if is_refused else len(batch)),
            rejected=before.rejected + sum(batch.rejected.values()) + (len(batch) if is_refused else 0),
            evicted=before.evicted + (missing if is_evicted else 0),
            next_count=batch.count_after,
            last_offset=offset,
        )

    def has_lost_after(self, key: CountKey, place: Partition) -> bool:
        """Whether the log lost records after the last batch of this epoch here, so that one of it may be among them."""
        return self._last_offset(key) < self.passed.get(place, _NO_HOLE)

    def _last_offset(self, key: CountKey) -> int:
        """Of an epoch that was never seen here: where the adapter's epochs before it ended."""
        if key in self.counts:
            return self.counts[key].last_offset
        earlier = (
            counted.last_offset
            for one, counted in self.counts.items()
            if one.adapter_id == key.adapter_id and one.partition == key.partition and one.epoch < key.epoch
        )
        return max(earlier, default=_NO_HOLE)


class Repeats:
    """Batches that a reader had before a cut took them from the log, and that were made again from their input.

    Asked of each batch in the order of its partition, where the numbers of an epoch only grow; of an epoch no more
    after the first that is new.
    """

    def __init__(self, had: Mapping[CountKey, Counted]) -> None:
        self._ends = {key: counted.next_count for key, counted in had.items()}

    def has(self, batch: ReadingBatch, partition: int) -> bool:
        """Whether this one is a repeat."""
        key = CountKey(batch.source.adapter_id, batch.epoch, partition)
        has_it = batch.count_after <= self._ends.get(key, -1)
        if not has_it:
            self._ends.pop(key, None)
        return has_it


def clamped(
    held: Progress, incarnations: Incarnations, ends: Mapping[Partition, int]
) -> tuple[Progress, dict[Partition, int]]:
    """`held` stepped back to what outlived every incarnation opened since; with where that was, and to which offset.

    What comes there next stands after a hole: the log has lost something. `ends` bounds a position in any case.
    """
    positions = {place: _within(incarnations.clamp(place, at), ends.get(place)) for place, at in held.positions.items()}
    back = {
        place: at.next_offset for place, at in positions.items() if at.next_offset < held.positions[place].next_offset
    }
    counts = {key: replace(counted, last_offset=-1) for key, counted in held.counts.items()} if back else held.counts
    holes = {place: min(offset, back.get(place, offset)) for place, offset in held.holes.items()}
    return Progress(positions=positions, counts=counts, holes=holes), back


def _within(position: Position, end: int | None) -> Position:
    return position if end is None else replace(position, next_offset=min(position.next_offset, end))
