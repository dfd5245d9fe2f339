"""The records of a partition taken from the disk: what is intact is written out, what is not is listed.

A record that the codec cannot read becomes a dead letter: its place, the reason, and its bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from streamforge.codec import decode
from streamforge.codec.log_batches import Batch, LogRecord
from streamforge.codec.segment_bytes import is_bad_medium
from streamforge.codec.segments import Damage, DamageKind, walk
from streamforge.errors import Rejected
from streamforge.gateway.pulled_disk import Folder
from streamforge.model import Aggregate, AggregateBatch, DeadLetter, ReadingBatch, Record
from streamforge.progress import Partition, Stored


class Writer(Protocol):
    """Takes the records of one partition in order; `close` returns the files once they are safe on the disk."""

    def write(self, records: Sequence[Stored]) -> None:
        """All or none. Raises Rejected with the records that the format cannot hold, OSError."""

    def close(self) -> tuple[Path, ...]:
        """Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What became of one partition. Times are the broker's, microseconds since 1970; 0 where nothing was found.

    `readings` counts what is inside the records: readings, parameters of windows, else one each. `undecoded` of the
    records are dead letters made here. Offsets reach from `first_offset` up to, not including, `next_offset`.
    """

    folder: Folder
    records: int = 0
    readings: int = 0
    undecoded: int = 0
    first_offset: int = 0
    next_offset: int = 0
    first_us: int = 0
    last_us: int = 0
    damage: tuple[Damage, ...] = ()
    files: tuple[Path, ...] = ()


def rescue(folder: Folder, writer: Writer) -> Rescued:
    """Write every intact record of the partition. Raises OSError where one may not be read or written."""
    taken = _Taken()
    damage: list[Damage] = []
    try:
        for found in _walk(folder.path):
            if isinstance(found, Damage):
                damage.append(found)
            elif not found.is_control:
                try:
                    records = found.records()
                except Rejected as error:
                    damage.append(_unopened(found, error.reason))
                else:
                    taken.batch(folder.partition, records, writer)
    finally:
        files = writer.close()
    return Rescued(folder=folder, damage=tuple(damage), files=files, **asdict(taken))


def _walk(path: Path) -> Iterator[Batch | Damage]:
    """The partition; a folder that the disk does not give is damage too."""
    try:
        yield from walk(path)
    except OSError as error:
        if not is_bad_medium(error):
            raise
        yield Damage(file=path, position=0, length_bytes=0, kind=DamageKind.UNREADABLE, reason=str(error.strerror))


def _unopened(batch: Batch, reason: str) -> Damage:
    """A batch whose bytes are those that were written, and that cannot be taken apart all the same."""
    return Damage(
        file=batch.file,
        position=batch.position,
        length_bytes=batch.size_bytes,
        kind=DamageKind.CORRUPT,
        reason=reason,
        first_offset=batch.base_offset,
        next_offset=batch.last_offset + 1,
    )


@dataclass(slots=True, kw_only=True)
class _Taken:
    """Counts while records go by; the fields of `Rescued`."""

    records: int = 0
    readings: int = 0
    undecoded: int = 0
    first_offset: int = 0
    next_offset: int = 0
    first_us: int = 0
    last_us: int = 0

    def batch(self, partition: Partition, records: Sequence[LogRecord], writer: Writer) -> None:
        """Write the records of one batch, and count them."""
        batch = [decoded(partition, record) for record in records]
        try:
            writer.write(batch)
        except Rejected as error:
            for index in error.indices:
                batch[index] = letter(partition, records[index], error.reason)
            writer.write(batch)
        for one in batch:
            self._count(one)

    def _count(self, one: Stored) -> None:
        self.first_offset = self.first_offset if self.records else one.offset
        self.next_offset = one.offset + 1
        self.records += 1
        self.undecoded += _is_made_here(one)
        self.readings += len(one.record) if isinstance(one.record, ReadingBatch | AggregateBatch) else 1
        if one.kafka_time_us:
            self.first_us = min(self.first_us or one.kafka_time_us, one.kafka_time_us)
            self.last_us = max(self.last_us, one.kafka_time_us)


def decoded(partition: Partition, record: LogRecord) -> Stored:
    """The record as readers of the log have it, or a dead letter with its bytes where the codec cannot read it."""
    try:
        return _stored(partition, record, decode(record.value or b""))
    except Rejected as error:
        return letter(partition, record, error.reason)


def letter(partition: Partition, record: LogRecord, reason: str) -> Stored:
    """The record as the dead letter topic would have it."""
    content = DeadLetter(
        topic=partition.topic,
        partition=partition.number,
        offset=record.offset,
        time_us=record.timestamp_us,
        reason=reason,
        payload=record.value or b"",
    )
    return _stored(partition, record, content)


def _stored(partition: Partition, record: LogRecord, content: Record | Aggregate) -> Stored:
    return Stored(
        partition=partition,
        offset=record.offset,
        kafka_time_us=record.timestamp_us,
        record=content,  # type: ignore[arg-type] # an Aggregate is no record of ours, but others may write it
        size_bytes=len(record.value or b""),
        headers=record.headers,
    )


def _is_made_here(one: Stored) -> bool:
    """Whether it is a dead letter made here: one that stood in the log names another place than its own."""
    record = one.record
    return isinstance(record, DeadLetter) and (record.topic, record.partition, record.offset) == (
        *one.partition,
        one.offset,
    )
