"""Counts on the log itself what waits for each sink, record by record, as the sink will count it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streamforge.bus.reader import Fetched, Reader
from streamforge.codec import decode
from streamforge.counting import Counting, Repeats, clamped
from streamforge.errors import Rejected
from streamforge.gateway.ledger.account import Standing
from streamforge.gateway.ledger.units import CLEAN, AdapterCount
from streamforge.model import ReadingBatch, Topic
from streamforge.progress import AdapterEpoch, Partition, Progress, is_after_hole
from streamforge.transforms.last_mark import last_mark

RAW = Topic.TELEMETRY_RAW.value
PATIENCE_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One partition's clean records with the raw ones that are not validated yet behind them, as one line of offsets.

    `start` and `end` of clean; `raw` offsets from `validated` on follow from `end` on.
    """

    clean: Partition
    start: int
    end: int
    validated: int
    raw_start: int
    raw_end: int

    @property
    def raw(self) -> Partition:
        """The partition of the raw records."""
        return Partition(RAW, self.clean.number)

    def of_raw(self, offset: int) -> int:
        """Where a raw offset lies on this line."""
        return self.end + offset - self.validated

    def behind(self, position: int) -> int:
        """How many records wait for who stands at this clean offset."""
        unvalidated = self.raw_end - max(self.validated, self.raw_start)
        return max(0, self.end - max(self.start, position)) + max(0, unvalidated)


def stretches(reader: Reader) -> tuple[Stretch, ...]:
    """The log as it is now, by partition."""
    return tuple(_stretch(reader, place) for place in reader.partitions(CLEAN))


def _stretch(reader: Reader, clean: Partition) -> Stretch:
    raw = Partition(RAW, clean.number)
    mark, end = last_mark(reader, clean)
    return Stretch(
        clean=clean,
        start=reader.starts([clean])[clean],
        end=end,
        validated=reader.incarnations.clamp(raw, mark.position).next_offset if mark is not None else 0,
        raw_start=reader.starts([raw])[raw],
        raw_end=reader.ends([raw])[raw],
    )


class _Waiter:
    """What waits for one sink, counted on from what its target holds."""

    def __init__(self, reader: Reader, held: Progress, log: tuple[Stretch, ...]) -> None:
        now, back = clamped(held, reader.incarnations, {})
        self.now = held
        self.positions = {
            one.clean: now.positions[one.clean].next_offset if one.clean in now.positions else 0 for one in log
        }
        self.counting = Counting(now)
        self._repeats = Repeats(held.counts if back else {})
        for place, offset in back.items():
            self.counting.hole(place, offset)

    def add(self, place: Partition, offset: int, batch: ReadingBatch) -> None:
        """A batch that stands at or behind the sink's position."""
        if not self._repeats.has(batch, place.number):
            self.counting.add(place, offset, batch)

    def behind(self, log: tuple[Stretch, ...]) -> int:
        """Records that wait."""
        return sum(one.behind(self.positions[one.clean]) for one in log)

    def note_start(self, one: Stretch) -> None:
        """What the log lost before anybody read it."""
        if self.positions[one.clean] < one.start:
            self.counting.hole(one.clean, one.start)
        if one.validated < one.raw_start:
            self.counting.hole(one.clean, one.of_raw(one.raw_start))


Epochs = Mapping[AdapterEpoch, AdapterCount]


def scan(
    reader: Reader, sinks: Mapping[str, Progress | None], epochs: Epochs, most_records: int
) -> dict[str, Standing]:
    """Each sink with what waits for it; one for which more than `most_records` wait is not counted (0 = all are)."""
    log = stretches(reader)
    waiters = {sink: _Waiter(reader, held or Progress(), log) for sink, held in sinks.items()}
    counted = {sink for sink, one in waiters.items() if not most_records or one.behind(log) <= most_records}
    for stretch in log:
        _count(reader, stretch, [waiters[sink] for sink in sorted(counted)], epochs)
    return {
        sink: Standing(
            now=one.now,
            then=one.counting,
            is_counted=sink in counted,
            note="" if sink in counted else f"more than {most_records:,} records wait: not counted one by one",
        )
        for sink, one in waiters.items()
    }


def _count(reader: Reader, one: Stretch, waiters: list[_Waiter], epochs: Epochs) -> None:
    if not waiters:
        return
    for waiter in waiters:
        waiter.note_start(one)
    _count_clean(reader, one, waiters, epochs)
    _count_raw(reader, one, waiters, epochs)
    _note_holes(reader, one, waiters)
    for waiter in waiters:
        waiter.counting.reach(one.clean, one.of_raw(one.raw_end))


def _count_clean(reader: Reader, one: Stretch, waiters: list[_Waiter], epochs: Epochs) -> None:
    """What is validated; the validator says where it had missed something itself."""
    first = max(one.start, min(waiter.positions[one.clean] for waiter in waiters))
    for fetched, batch in _batches(reader, one.clean, first, one.end, epochs):
        _note_holes(reader, one, waiters)
        for waiter in waiters:
            if is_after_hole(fetched.headers):
                waiter.counting.hole(one.clean, fetched.offset)
            if batch is not None and fetched.offset >= waiter.positions[one.clean]:
                waiter.add(one.clean, fetched.offset, batch)


def _count_raw(reader: Reader, one: Stretch, waiters: list[_Waiter], epochs: Epochs) -> None:
    """What the validator has still before it waits at every sink."""
    for fetched, batch in _batches(reader, one.raw, max(one.validated, one.raw_start), one.raw_end, epochs):
        _note_holes(reader, one, waiters)
        for waiter in waiters:
            if batch is not None:
                waiter.add(one.clean, one.of_raw(fetched.offset), batch)


def _note_holes(reader: Reader, one: Stretch, waiters: list[_Waiter]) -> None:
    """What is missing in the middle of the log, or went while it was read."""
    for hole in reader.holes:
        offset = hole.next_offset if hole.partition == one.clean else one.of_raw(hole.next_offset)
        for waiter in waiters:
            waiter.counting.hole(one.clean, offset)
    reader.holes.clear()


def _batches(
    reader: Reader, place: Partition, first: int, end: int, epochs: Epochs
) -> Iterator[tuple[Fetched, ReadingBatch | None]]:
    """The records of a stretch, each with its batch where its adapter had counted that as read when it was asked."""
    for fetched in reader.stretch(place, first, end, PATIENCE_SECONDS):
        yield fetched, _counted(fetched, epochs)


def _counted(fetched: Fetched, epochs: Epochs) -> ReadingBatch | None:
    try:
        batch = decode(fetched.value)
    except Rejected:
        return None
    if not isinstance(batch, ReadingBatch):
        return None
    count = epochs.get((batch.source.adapter_id, batch.epoch))
    return batch if count is not None and (count.is_least or batch.count_before < count.read) else None
