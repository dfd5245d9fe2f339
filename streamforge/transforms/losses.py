"""What a stage says of offsets that are missing in its input: in its next output, and as an event."""

import os

from streamforge.bus.reader import Cause, Fetched, Hole
from streamforge.codec import decode
from streamforge.errors import Rejected
from streamforge.model import Event, ReadingBatch, Severity, Topic
from streamforge.progress import HOLE_HEADER, AdapterEpoch, Headers, Partition

EVENTS = Topic.EVENTS_CLEAN.value


def hole_before(fetched: Fetched, expected: int) -> Hole | None:
    """The offsets missing between those that were dealt with and this input: its place alone decides that.

    Why they are missing is what the reader saw.
    """
    if fetched.offset <= expected:
        return None
    cause = fetched.hole.cause if fetched.hole is not None else Cause.EVICTED
    return Hole(partition=fetched.partition, first=expected, next_offset=fetched.offset, cause=cause)


def hole_headers(hole: Hole | None) -> Headers:
    """The header with which an output says that its stage missed inputs directly before."""
    return () if hole is None else ((HOLE_HEADER, f"{hole.first}-{hole.next_offset}".encode()),)


class Counts:
    """Up to which of its own numbers each (adapter, epoch) was met on one partition, to know what a hole took."""

    def __init__(self) -> None:
        self._next: dict[str, tuple[int, int]] = {}

    def note(self, record: object) -> None:
        """One more input; of each adapter only the newest epoch is kept."""
        if isinstance(record, ReadingBatch):
            self._next[record.source.adapter_id] = (record.epoch, record.count_after)

    def missing(self, value: bytes) -> tuple[AdapterEpoch, int] | None:
        """How many readings this encoded batch misses before it; None where it cannot show that."""
        try:
            batch = decode(value)
        except Rejected:
            return None
        if not isinstance(batch, ReadingBatch) or not batch.epoch:
            return None
        epoch, count = self._next.get(batch.source.adapter_id, (0, 0))
        if epoch != batch.epoch:
            return None
        return (batch.source.adapter_id, batch.epoch), max(0, batch.count_before - count)


def data_loss(
    hole: Hole, *, incarnation: int, time_us: int, missing: tuple[AdapterEpoch, int] | None, source: str
) -> Event:
    """The event of one hole; the same offsets of the same incarnation always give the same event_id."""
    place: Partition = hole.partition
    where = f"{place.topic}/{place.number}"
    hostname = os.uname().nodename
    word = "cannot be read any more" if hole.cause is Cause.CORRUPT else "are missing"
    details = {
        "topic": place.topic,
        "partition": str(place.number),
        "first": str(hole.first),
        "next_offset": str(hole.next_offset),
        "cause": hole.cause.value,
    }
    if missing is not None:
        (adapter_id, epoch), readings = missing
        details["adapters"] = f"{adapter_id}/{epoch}={readings}"
    return Event(
        event_id=f"data_loss/{hostname}/{incarnation}/{where}/{hole.first}-{hole.next_offset}",
        asset_id=hostname,
        type="data_loss",
        severity=Severity.HIGH,
        time_us=time_us,
        message=f"{hole.offsets} records of {where} {word}: offsets {hole.first} to {hole.next_offset - 1}.",
        source=source,
        details=details,
    )
