"""What a sink has dealt with, counted from the batches it writes; part of its stored progress."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamforge.counting import Counting, Repeats, clamped
from streamforge.incarnations import FIRST, Incarnations
from streamforge.model import ReadingBatch, Record, Topic
from streamforge.progress import Counted, CountKey, Partition, Position, Progress, Stored

MOST_EPOCHS = 32


class Tally:
    """Turns the progress that the target holds into the progress after one more batch, as `streamforge.counting` says.

    What `hole` is told is kept with the target as well: of the epochs before it, the end may have been in there.
    """

    def __init__(self, held: Progress) -> None:
        self._held = held
        self._incarnation = FIRST
        self._repeats = Repeats({})
        self._holes: dict[Partition, list[int]] = {}

    @property
    def progress(self) -> Progress:
        """What the target holds."""
        return self._held

    def has(self, record: Record, partition: int = 0) -> bool:
        """Whether the target has these readings already: a cut took the clean batch, and it was made again from raw.

        Asked of each batch in order.
        """
        return isinstance(record, ReadingBatch) and self._repeats.has(record, partition)

    def passed(self, stored: Stored) -> Progress:
        """The progress once a batch that the target has is passed over and nothing waits before it; not stored."""
        at = Position(next_offset=stored.offset + 1, incarnation=self._incarnation)
        self._held = replace(self._held, positions={**self._held.positions, stored.partition: at})
        return self._held

    def hole(self, place: Partition, next_offset: int) -> None:
        """The log lost records before this offset."""
        self._holes.setdefault(place, []).append(next_offset)

    def after(self, batch: Sequence[Stored], refused: Sequence[Stored] = ()) -> Progress:
        """The progress once `batch` is written, too, and `refused` is known never to be."""
        gone = {(stored.partition, stored.offset) for stored in refused}
        positions = dict(self._held.positions)
        counting = Counting(self._held, self._holes)
        for stored in sorted([*batch, *refused], key=_place) if refused else batch:
            place, record = stored.partition, stored.record
            positions[place] = Position(next_offset=stored.offset + 1, incarnation=self._incarnation)
            if place.topic == Topic.TELEMETRY_CLEAN and isinstance(record, ReadingBatch) and record.epoch:
                counting.add(place, stored.offset, record, is_refused=(place, stored.offset) in gone)
        return Progress(positions=positions, counts=_newest(counting.counts), holes=counting.passed)

    def written(self, progress: Progress) -> None:
        """The target holds this now."""
        self._held = progress

    def clamp(self, incarnations: Incarnations, ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """Step back to what outlived every incarnation opened since the held positions; where, and to which offset.

        What comes next stands after a hole: the log has lost something there.
        """
        self._incarnation = incarnations.current
        had = self._held.counts
        self._held, back = clamped(self._held, incarnations, ends)
        if back:
            self._repeats = Repeats(had)
        for place, offset in back.items():
            self.hole(place, offset)
        return back

    def start(self, places: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where to read on: the held position of each partition, else the start of the log given here.

        A log that no longer begins at 0 has lost what came before.
        """
        first = {}
        for place, start in places.items():
            held = self._held.positions.get(place)
            if held is None and start > 0:
                self.hole(place, start)
            first[place] = held.next_offset if held is not None else start
        return first


def _place(stored: Stored) -> tuple[Partition, int]:
    return stored.partition, stored.offset


def _newest(counts: Mapping[CountKey, Counted]) -> dict[CountKey, Counted]:
    """Bounded: the newest epochs of each adapter."""
    kept: dict[CountKey, Counted] = {}
    seen: dict[str, set[int]] = {}
    for key, counted in sorted(counts.items(), reverse=True):
        epochs = seen.setdefault(key.adapter_id, set())
        epochs.add(key.epoch)
        if len(epochs) <= MOST_EPOCHS:
            kept[key] = counted
    return kept
