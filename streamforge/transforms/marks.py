"""Progress as headers of output records: what a restart needs to go on exactly once.

sf-in    topic/partition/topic_id/incarnation/next offset     the input position that this output covers; all offsets
                                                              of a mark are of that incarnation
sf-hold  offset                                               the oldest input still needed
sf-out   offset                                               the oldest own output a restart must know
sf-side  topic=offset,...                                     for each side topic the offset after its last side output
sf-hole  first-next                                           offsets of the input that are missing directly before it
                                                              (`progress.HOLE_HEADER`)
sf-by    name/partition                                       on side outputs: who wrote it ...
sf-at    incarnation/offset                                   ... for which input
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamforge.progress import Headers, Partition, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one main output says of its stage's progress."""

    place: Partition
    position: Position
    hold: int
    scan: int
    sides: Mapping[str, int] = field(default_factory=dict)

    def headers(self) -> Headers:
        """The mark as Kafka headers."""
        at = self.position
        position = f"{self.place.topic}/{self.place.number}/{at.topic_id}/{at.incarnation}/{at.next_offset}"
        sides = ",".join(f"{topic}={offset}" for topic, offset in self.sides.items())
        return (
            ("sf-in", position.encode()),
            ("sf-hold", str(self.hold).encode()),
            ("sf-out", str(self.scan).encode()),
            ("sf-side", sides.encode()),
        )


def read_mark(headers: Headers) -> Mark | None:
    """The mark in these headers; None where there is none. Raises ValueError on one that cannot be read."""
    held = dict(headers)
    if "sf-in" not in held:
        return None
    topic, number, topic_id, incarnation, next_offset = held["sf-in"].decode().split("/")
    pairs = [pair.split("=") for pair in held.get("sf-side", b"").decode().split(",") if pair]
    return Mark(
        place=Partition(topic, int(number)),
        position=Position(next_offset=int(next_offset), incarnation=int(incarnation), topic_id=topic_id),
        hold=int(held["sf-hold"]),
        scan=int(held["sf-out"]),
        sides={topic: int(offset) for topic, offset in pairs},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SideMark:
    """What one side output says: its writer, and the input that it belongs to (an offset in its incarnation)."""

    writer: str
    input_offset: int
    incarnation: int

    def headers(self) -> Headers:
        """The mark as Kafka headers."""
        return (("sf-by", self.writer.encode()), ("sf-at", f"{self.incarnation}/{self.input_offset}".encode()))


def read_side_mark(headers: Headers) -> SideMark | None:
    """The mark in these headers; None where there is none."""
    held = dict(headers)
    if "sf-by" not in held or "sf-at" not in held:
        return None
    incarnation, input_offset = held["sf-at"].decode().split("/")
    return SideMark(writer=held["sf-by"].decode(), input_offset=int(input_offset), incarnation=int(incarnation))
