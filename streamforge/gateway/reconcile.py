"""Says what a cut of the log has cost: one `data_loss` event for each incarnation that nobody has accounted for yet.

It runs after the broker and before every adapter, transform and sink. Positions clamp themselves (they name their
incarnation); what is said here is how many readings are gone at most: an adapter never hands the log more readings of
an epoch than it has promised on disk before, so what was promised less what stands on the log bounds what is lost.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Fetched, Reader
from streamforge.codec import decode, encode
from streamforge.errors import NotConnected, Rejected
from streamforge.gateway.durable import write_durably
from streamforge.incarnations import FIRST, Incarnation
from streamforge.logs import Log
from streamforge.model import Event, ReadingBatch, Severity, Topic
from streamforge.progress import Partition

STATE_FILE = "reconciled.json"
EVENTS = Partition(Topic.EVENTS_CLEAN.value)
RAW = Topic.TELEMETRY_RAW.value
TAIL_RECORDS = 4_000
# Some seconds of reading: everybody waits for it.
MOST_RECORDS = 200_000
FLUSH_SECONDS = 10.0
_log = Log("reconcile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One epoch of one adapter: it handed the log at most `promised` readings, and had noted `read` of them.

    `incarnation` of the log in which it wrote; 0 = it never reached the log.
    """

    epoch: int
    read: int
    promised: int
    incarnation: int

    @property
    def has_ended(self) -> bool:
        """Whether it stopped in order, or its end was seen on the log."""
        return self.promised == self.read


Promises = Mapping[str, Sequence[Promise]]
"""adapter_id -> its epochs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What one adapter lost: noted as read and gone for certain, and at most, in readings."""

    adapter_id: str
    epoch: int
    noted: int
    at_most: int


def reconcile(connection: Connection, promises: Promises, state: Path) -> list[Event]:
    """Emit the events that are due; they are on the disk when this returns. Raises StreamForgeError, OSError."""
    done = _done(state)
    opened = [one for one in connection.incarnations().opened if one.number > done]
    if not opened:
        return []
    cut = {
        adapter: [one for one in epochs if done <= one.incarnation < opened[-1].number]
        for adapter, epochs in promises.items()
    }
    found = losses(connection, cut) if not opened[-1].is_fresh else []
    events = [event(one, found if one is opened[-1] else []) for one in opened]
    _send(connection, events)
    for one in events:
        _log.warning("data_loss", **one.details)
    write_durably(state / STATE_FILE, json.dumps({"incarnation": opened[-1].number}).encode())
    return events


def losses(connection: Connection, promises: Promises) -> list[Loss]:
    """What of these epochs does not stand on the log. Raises NotConnected.

    It looks back as far as it must, and MOST_RECORDS at most: an adapter that was not met by then stopped long ago,
    unless its last epoch has no end.
    """
    wanted = {adapter: max(one.epoch for one in epochs) for adapter, epochs in promises.items() if epochs}
    reader = Reader(connection)
    try:
        newest = [_newest(reader, place, wanted) for place in reader.partitions(RAW)] if wanted else []
    finally:
        reader.close()
    found = []
    for adapter in sorted(wanted):
        ends = [one[adapter] for one in newest if adapter in one]
        found.append(_loss(adapter, promises[adapter], min(ends, default=None)))
    return [loss for loss in found if loss.at_most]


End = tuple[int, int]
"""The newest epoch of an adapter in a partition, and up to which of its readings it stands there."""


def _newest(reader: Reader, place: Partition, wanted: Mapping[str, int]) -> dict[str, End]:
    """The end of each adapter in one partition; epochs later than the wanted one came after the cut."""
    found: dict[str, End] = {}
    seen = 0
    for stretch in reader.backwards(place, TAIL_RECORDS):
        for fetched in stretch:
            seen += 1
            _note(found, fetched, wanted)
        if found.keys() >= wanted.keys() or seen >= MOST_RECORDS:
            break
    return found


def _note(found: dict[str, End], fetched: Fetched, wanted: Mapping[str, int]) -> None:
    try:
        batch = decode(fetched.value)
    except Rejected:
        return
    if isinstance(batch, ReadingBatch) and batch.epoch <= wanted.get(batch.source.adapter_id, -1):
        at = (batch.epoch, batch.count_before + len(batch))
        found[batch.source.adapter_id] = max(at, found.get(batch.source.adapter_id, at))


def _loss(adapter_id: str, epochs: Sequence[Promise], end: End | None) -> Loss:
    """The newest epoch on the log is there up to its end (of several partitions, the earliest); later ones are not."""
    epoch, count = end or (0, 0)
    gone = [one for one in epochs if one.epoch >= epoch and (end is not None or not one.has_ended)]
    return Loss(
        adapter_id=adapter_id,
        epoch=max((one.epoch for one in gone), default=epoch),
        noted=max(0, sum(one.read for one in gone) - count),
        at_most=max(0, sum(one.promised for one in gone) - count),
    )


def event(opened: Incarnation, found: Sequence[Loss]) -> Event:
    """One `data_loss` event; the same incarnation always gives the same event_id."""
    at_most = sum(loss.at_most for loss in found)
    ends = ", ".join(f"{place.topic}/{place.number}={offset}" for place, offset in sorted(opened.firsts.items()))
    hostname = os.uname().nodename
    return Event(
        event_id=f"data_loss/{hostname}/{opened.number}",
        asset_id=hostname,
        type="data_loss",
        severity=Severity.HIGH,
        time_us=opened.opened_at_us,
        message=_message(opened, at_most),
        source="streamforge-reconcile",
        details={
            "incarnation": str(opened.number),
            "reason": opened.reason,
            "readings_at_most": str(at_most),
            "readings_noted": str(sum(loss.noted for loss in found)),
            "adapters": ", ".join(f"{loss.adapter_id}/{loss.epoch}={loss.at_most}" for loss in found),
            "ends": ends,
        },
    )


def _message(opened: Incarnation, at_most: int) -> str:
    if opened.is_fresh:
        return f"The log begins anew: {opened.reason}. What the one before held and no sink has is not in this one."
    return f"The log was cut: {opened.reason}. At most {at_most} readings are lost; alarms and events are all there."


def _send(connection: Connection, events: Sequence[Event]) -> None:
    """The topic is flushed before every acknowledgement."""
    producer = Producer(connection, (EVENTS.topic,))
    try:
        for one in events:
            producer.send(EVENTS, one.asset_id.encode(), encode(one), (), lambda _offset: None)
        if not producer.flush(FLUSH_SECONDS):
            raise NotConnected("the broker does not acknowledge the events")
    finally:
        producer.close()


def _done(state: Path) -> int:
    """The newest incarnation that was accounted for."""
    try:
        return int(json.loads((state / STATE_FILE).read_text())["incarnation"])
    except (OSError, ValueError, TypeError, KeyError):
        return FIRST
