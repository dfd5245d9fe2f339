"""A small gateway in memory: what is read, judged, delivered and lost, with the truth kept beside the ledger's view."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from streamforge.bus.reader import Fetched, Hole, Reader
from streamforge.codec import encode
from streamforge.gateway.ledger.account import Log, rows
from streamforge.gateway.ledger.rows import Row
from streamforge.gateway.ledger.scan import scan
from streamforge.gateway.ledger.units import AdapterCount
from streamforge.incarnations import Incarnations
from streamforge.model import ReadingBatch
from streamforge.progress import HOLE_HEADER, Headers, Partition, Position, Progress, Stored, is_after_hole
from streamforge.sinks.tally import Tally
from streamforge.transforms.marks import Mark
from tests.samples import batch

RAW, CLEAN = "telemetry.raw", "telemetry.clean"


@dataclass
class Kept:
    """One partition: its records from `start` on."""

    start: int = 0
    records: list[tuple[ReadingBatch, Headers]] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + len(self.records)

    def evict(self, count: int) -> list[ReadingBatch]:
        """The oldest go; the newest record always stays."""
        gone = self.records[: max(0, min(count, len(self.records) - 1))]
        self.records = self.records[len(gone) :]
        self.start += len(gone)
        return [record for record, _ in gone]

    def at(self, offset: int) -> tuple[ReadingBatch, Headers]:
        return self.records[offset - self.start]


class MemoryReader:
    """What the ledger asks of a reader."""

    def __init__(self, log: dict[Partition, Kept]) -> None:
        self._log = log
        self.holes: list[Hole] = []
        self.incarnations = Incarnations()

    def partitions(self, topic: str) -> tuple[Partition, ...]:
        return tuple(sorted(place for place in self._log if place.topic == topic))

    def starts(self, places: list[Partition]) -> dict[Partition, int]:
        return {place: self._log[place].start for place in places}

    def ends(self, places: list[Partition]) -> dict[Partition, int]:
        return {place: self._log[place].end for place in places}

    def backwards(self, place: Partition, _count: int) -> Iterator[Iterator[Fetched]]:
        kept = self._log[place]
        return (self.stretch(place, offset, offset + 1) for offset in reversed(range(kept.start, kept.end)))

    def stretch(self, place: Partition, first: int, end: int, _seconds: float = 0.0) -> Iterator[Fetched]:
        for offset in range(first, end):
            record, headers = self._log[place].at(offset)
            yield Fetched(
                partition=place, offset=offset, kafka_time_us=0, key=b"", value=encode(record), headers=headers
            )


class Gateway:
    """One adapter, a validator and a sink around a log of several partitions."""

    def __init__(self, partitions: int) -> None:
        self.log = {Partition(topic, number): Kept() for topic in (RAW, CLEAN) for number in range(partitions)}
        self._numbers = range(partitions)
        self._epoch, self._seq, self._number = 1, 0, 0
        self.read: dict[int, int] = {1: 0}
        self.dropped: dict[int, int] = {1: 0}
        self.lost: dict[int, int] = {1: 0}
        self._validated = dict.fromkeys(self._numbers, 0)
        self.progress = Progress()

    def restart_adapter(self) -> None:
        self._epoch, self._seq, self._number = self._epoch + 1, 0, 0
        for counts in (self.read, self.dropped, self.lost):
            counts[self._epoch] = 0

    def take_in(self, partition: int, readings: int) -> None:
        self._seq += 1
        record = batch(self._seq, epoch=self._epoch, count_before=self._number, values=(1.0,) * readings)
        self.log[Partition(RAW, partition % len(self._numbers))].records.append((record, ()))
        self._number += readings
        self.read[self._epoch] += readings

    def drop(self, readings: int) -> None:
        """The adapter's ring was full."""
        self._seq += 1
        self._number += readings
        self.read[self._epoch] += readings
        self.dropped[self._epoch] += readings

    def validate(self, partition: int, count: int, rejects: int) -> None:
        partition %= len(self._numbers)
        raw, clean = self.log[Partition(RAW, partition)], self.log[Partition(CLEAN, partition)]
        hole: Headers = ()
        if (first := self._validated[partition]) < raw.start:
            first, hole = raw.start, ((HOLE_HEADER, f"{first}-{raw.start}".encode()),)
        for offset in range(first, min(raw.end, first + count)):
            record = raw.at(offset)[0]
            taken = min(rejects, len(record))
            judged = replace(
                batch(
                    record.seq,
                    epoch=record.epoch,
                    count_before=record.count_before,
                    values=(1.0,) * (len(record) - taken),
                    rejected={"level": taken} if taken else {},
                )
            )
            mark = Mark(
                place=Partition(RAW, partition), position=Position(next_offset=offset + 1), hold=offset, scan=offset
            )
            clean.records.append((judged, (*mark.headers(), *hole)))
            hole = ()
            self._validated[partition] = offset + 1

    def deliver(self, partition: int, count: int) -> None:
        """The sink begins anew each time, as after a restart."""
        place = Partition(CLEAN, partition % len(self._numbers))
        tally = Tally(self.progress)
        first = tally.start({one: kept.start for one, kept in self.log.items() if one.topic == CLEAN})
        kept, at = self.log[place], first[place]
        if at < kept.start:
            tally.hole(place, kept.start)
            at = kept.start
        batches = []
        for offset in range(at, min(kept.end, at + count)):
            record, headers = kept.at(offset)
            if is_after_hole(headers):
                tally.hole(place, offset)
            batches.append(Stored(partition=place, offset=offset, kafka_time_us=0, record=record))
        if batches:
            self.progress = tally.after(batches)

    def evict_clean(self, partition: int, count: int) -> None:
        place = Partition(CLEAN, partition % len(self._numbers))
        held = self.progress.positions.get(place, Position(next_offset=0)).next_offset
        start = self.log[place].start
        for offset, record in enumerate(self.log[place].evict(count), start):
            if offset >= held:
                self.lost[record.epoch] += record.count_after - record.count_before

    def evict_raw(self, partition: int, count: int) -> None:
        """Beyond what is validated as well: the validator then says so with its next output."""
        partition %= len(self._numbers)
        kept = self.log[Partition(RAW, partition)]
        start = kept.start
        for offset, record in enumerate(kept.evict(count), start):
            if offset >= self._validated[partition]:
                self.lost[record.epoch] += len(record)

    def rows(self, *, unexplained: int = 0) -> tuple[Row, ...]:
        """The ledger's; `unexplained` readings of the newest epoch are nowhere, and no hole explains them."""
        adapters = {
            ("plant", epoch): AdapterCount(
                read=read + (unexplained if epoch == self._epoch else 0), dropped=self.dropped[epoch], incarnation=1
            )
            for epoch, read in self.read.items()
        }
        standings = scan(cast(Reader, MemoryReader(self.log)), {"file@x": self.progress}, adapters, 0)
        return rows(adapters, standings, Log(partitions=len(self._numbers)))
