"""What a sink has dealt with, counted by (adapter, epoch) from the batches it writes; part of its stored progress."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamforge.incarnations import FIRST, Incarnations
from streamforge.model import ReadingBatch, Record, Topic
from streamforge.progress import AdapterEpoch, Counted, Partition, Position, Progress, Stored

MOST_EPOCHS = 32


class Tally:
    """Turns the progress that the target holds into the progress after one more batch.

    Readings missing between two batches of an epoch count as evicted only where the log had a hole between them
    (`hole`), here or further up; anything else stays missing and shows as an imbalance of the ledger. The newest hole
    of a partition is part of the progress: an epoch may go on long after it, and after a restart.
    """

    def __init__(self, held: Progress) -> None:
        self._held = held
        self._incarnation = FIRST
        self._is_single = False
        self._repeated: set[AdapterEpoch] = set()
        self._holes: dict[Partition, set[int]] = {}

    @property
    def progress(self) -> Progress:
        """What the target holds."""
        return self._held

    def has(self, record: Record) -> bool:
        """Whether the target has these readings already: a cut took the clean batch, and it was made again from raw.

        Asked of each batch in order; of an epoch no more after the first that is new. Where the log has several
        partitions nobody can say: the numbers of an epoch are in order in each alone.
        """
        if not isinstance(record, ReadingBatch) or not self._is_single:
            return False
        key = (record.source.adapter_id, record.epoch)
        has_it = key in self._repeated and record.count_after <= self._held.counts[key].next_count
        if not has_it:
            self._repeated.discard(key)
        return has_it

    def hole(self, place: Partition, next_offset: int) -> None:
        """The log lost records before this offset, or the one that stands there follows a loss further up."""
        self._holes.setdefault(place, set()).add(next_offset)

    def after(self, batch: Sequence[Stored], refused: Sequence[Stored] = ()) -> Progress:
        """The progress once `batch` is written, too, and `refused` is known never to be."""
        gone = {(stored.partition, stored.offset) for stored in refused}
        positions = dict(self._held.positions)
        counts = dict(self._held.counts)
        holes = dict(self._held.holes)
        for stored in sorted([*batch, *refused], key=_place) if refused else batch:
            positions[stored.partition] = Position(next_offset=stored.offset + 1, incarnation=self._incarnation)
            record = stored.record
            hole = self._newest_hole(stored, holes)
            if stored.partition.topic == Topic.TELEMETRY_CLEAN and isinstance(record, ReadingBatch) and record.epoch:
                key = (record.source.adapter_id, record.epoch)
                is_gone = (stored.partition, stored.offset) in gone
                counts[key] = _counted(counts.get(key), stored, record, hole=hole, is_gone=is_gone)
        return Progress(positions=positions, counts=_newest(counts), holes=holes)

    def _newest_hole(self, stored: Stored, holes: dict[Partition, int]) -> int:
        """The last offset up to this record's before which something is missing, noted in `holes`; -1 = none."""
        noted = [end for end in self._holes.get(stored.partition, ()) if end <= stored.offset]
        newest = max([holes.get(stored.partition, -1), *noted])
        if newest >= 0:
            holes[stored.partition] = newest
        return newest

    def written(self, progress: Progress) -> None:
        """The target holds this now."""
        self._held = progress
        for place, at in progress.positions.items():
            if place in self._holes:
                self._holes[place] = {end for end in self._holes[place] if end >= at.next_offset}

    def clamp(self, incarnations: Incarnations, ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """Step back to what outlived every incarnation opened since the held positions; where, and to which offset.

        What comes next stands after a hole: the log has lost something there.
        """
        self._incarnation = incarnations.current
        held = self._held.positions
        fresh = {place: _within(incarnations.clamp(place, at), ends.get(place)) for place, at in held.items()}
        clamped = {place: at.next_offset for place, at in fresh.items() if at.next_offset < held[place].next_offset}
        counts = self._held.counts
        if clamped:
            counts = {key: replace(counted, last_offset=-1) for key, counted in counts.items()}
            self._repeated = set(counts)
        holes = {place: hole for place, hole in self._held.holes.items() if place not in clamped}
        self._held = Progress(positions=fresh, counts=counts, holes=holes)
        for place, offset in clamped.items():
            self.hole(place, offset)
        return clamped

    def start(self, places: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where to read on: the held position of each partition, else the start of the log given here.

        A log that no longer begins at 0 has lost what came before.
        """
        first = {}
        self._is_single = sum(place.topic == Topic.TELEMETRY_CLEAN for place in places) == 1
        for place, start in places.items():
            held = self._held.positions.get(place)
            if held is None and start > 0:
                self.hole(place, start)
            first[place] = held.next_offset if held is not None else start
        return first


def _counted(before: Counted | None, stored: Stored, batch: ReadingBatch, *, hole: int, is_gone: bool) -> Counted:
    """One batch more; what is missing before it was evicted where a hole came after the last batch of its epoch."""
    counted = before or Counted()
    rejected = sum(batch.rejected.values())
    missing = batch.count_before - counted.next_count
    is_evicted = missing > 0 and counted.last_offset < hole
    return Counted(
        delivered=counted.delivered + (0 if is_gone else len(batch)),
        rejected=counted.rejected + rejected + (len(batch) if is_gone else 0),
        evicted=counted.evicted + (missing if is_evicted else 0),
        next_count=batch.count_after,
        last_offset=stored.offset,
    )


def _within(position: Position, end: int | None) -> Position:
    return position if end is None else replace(position, next_offset=min(position.next_offset, end))


def _place(stored: Stored) -> tuple[Partition, int]:
    return stored.partition, stored.offset


def _newest(counts: dict[AdapterEpoch, Counted]) -> dict[AdapterEpoch, Counted]:
    """Bounded: the newest epochs of each adapter."""
    kept: dict[AdapterEpoch, Counted] = {}
    seen: dict[str, int] = {}
    for (adapter, epoch), counted in sorted(counts.items(), reverse=True):
        seen[adapter] = seen.get(adapter, 0) + 1
        if seen[adapter] <= MOST_EPOCHS:
            kept[adapter, epoch] = counted
    return kept
