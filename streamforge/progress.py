"""Where a reader stands, as values: positions in the log, and what was done up to there. Standard library only.

Progress lives in the output: a transform writes it as headers of its output records, a sink stores it with its data.
Positions in `__consumer_offsets` can outlive the data that they count and are only a hint.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streamforge.model import Record

# Where a sink notes its progress in its own directory too, for when neither it nor its target can be asked.
LAST_PROGRESS = "progress.json"

Headers = Sequence[tuple[str, bytes]]

HOLE_HEADER = "sf-hole"
"""On an output: offsets of its input are missing directly before it, `first-next` (`first` and those up to `next`)."""

OWN_HEADER = "sf-own"


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The next offset to read, and the incarnation of the log in which that offset means something.

    `topic_id` is always empty: a topic that is made anew is a new incarnation of the log.
    """

    next_offset: int
    incarnation: int = 1
    topic_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A record as it stands on the log. `record` is decoded; `size_bytes` is what it takes there."""

    partition: Partition
    offset: int
    kafka_time_us: int
    record: Record
    size_bytes: int = 0
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNumber:
    """Which of an adapter's alarms, events or dead letters a record is: it grows within an epoch, by topic.

    It stands in a header, so that the adapter finds out what of its own is on the log already.
    """

    writer: str
    epoch: int
    number: int

    def headers(self) -> Headers:
        """As it stands on the record."""
        return ((OWN_HEADER, f"{self.epoch} {self.number} {self.writer}".encode()),)

    @staticmethod
    def of(headers: Headers) -> "OwnNumber | None":
        """The number on a record; None where there is none that can be read."""
        for name, value in headers:
            epoch, _, rest = value.decode(errors="replace").partition(" ")
            number, _, writer = rest.partition(" ")
            if name == OWN_HEADER and epoch.isdecimal() and number.isdecimal():
                return OwnNumber(writer=writer, epoch=int(epoch), number=int(number))
        return None


def is_after_hole(headers: Headers) -> bool:
    """Whether the one who wrote this record missed some of its own input directly before."""
    return any(name == HOLE_HEADER for name, _ in headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Readings of one adapter's epoch in one partition that a sink has dealt with, each counted where it happens.

    `delivered` were written to the target, `rejected` were taken out by the validator before, `evicted` were gone from
    the log before this sink read them. `next_count` is the adapter's own number of the first reading not yet seen, and
    `last_offset` where its last batch stood. An adapter numbers over all partitions, so of several each has gaps, and
    `evicted` is at most so many.
    """

    delivered: int = 0
    rejected: int = 0
    evicted: int = 0
    next_count: int = 0
    last_offset: int = -1


AdapterEpoch = tuple[str, int]


class CountKey(NamedTuple):
    """What is counted together: one epoch of an adapter in one partition, where its numbers only grow."""

    adapter_id: str
    epoch: int
    partition: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a sink stores with its data: positions by partition, and readings counted.

    `holes` says for each partition the offset after the newest stretch that the log had lost before the sink read it.
    """

    positions: Mapping[Partition, Position] = field(default_factory=dict)
    counts: Mapping[CountKey, Counted] = field(default_factory=dict)
    holes: Mapping[Partition, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of JSON, the form in which every sink stores it."""
        positions = [[*place, at.next_offset, at.incarnation, at.topic_id] for place, at in self.positions.items()]
        counts = [
            [key.adapter_id, key.epoch, c.delivered, c.rejected, c.evicted, c.next_count, c.last_offset, key.partition]
            for key, c in sorted(self.counts.items())
        ]
        holes = [[*place, offset] for place, offset in self.holes.items()]
        return json.dumps({"positions": positions, "counts": counts, "holes": holes}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str | bytes) -> "Progress":
        """The inverse of `to_json`; counts without a partition are of the first. Raises ValueError on anything else."""
        try:
            parsed = json.loads(text)
            positions = {
                Partition(topic, number): Position(next_offset=offset, incarnation=incarnation, topic_id=topic_id)
                for topic, number, offset, incarnation, topic_id in parsed["positions"]
            }
            counts = {
                CountKey(adapter, epoch, *number): Counted(
                    delivered=d, rejected=r, evicted=e, next_count=n, last_offset=at
                )
                for adapter, epoch, d, r, e, n, at, *number in parsed["counts"]
            }
            holes = {Partition(topic, number): offset for topic, number, offset in parsed.get("holes", ())}
        except (KeyError, TypeError) as error:
            msg = f"not a progress record: {error}"
            raise ValueError(msg) from error
        return Progress(positions=positions, counts=counts, holes=holes)
