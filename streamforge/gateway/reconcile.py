"""Says what a cut of the log has cost: one `data_loss` event for each incarnation that nobody has accounted for yet.

It runs after the broker and before every adapter, transform and sink, and again whenever the broker was started anew.
Positions clamp themselves (they name their incarnation); what is said here is how many readings are gone: an adapter
never hands the log more readings of an epoch than it has promised on disk before, so what was promised less what stands
on the log bounds what is lost. An adapter that outlived the cut shows the exact count with its next record.
"""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from streamforge.bus.connection import Connection
from streamforge.bus.producer import deliver
from streamforge.bus.reader import Reader
from streamforge.gateway.cut_losses import Loss, Promises, losses
from streamforge.gateway.log_cut import around, hole_after
from streamforge.gateway.loss_events import exact_event, loss_event
from streamforge.gateway.reconciled import Open, Reconciled, Said, load, save
from streamforge.incarnations import Incarnation
from streamforge.logs import Log
from streamforge.model import Event, Topic
from streamforge.progress import Partition

EVENTS = Partition(Topic.EVENTS_CLEAN.value)
RAW = Topic.TELEMETRY_RAW.value
FLUSH_SECONDS = 10.0
LOOK_SECONDS = 1.0
_log = Log("reconcile")


def reconcile(
    connection: Connection, promises: Promises, state: Path, running: Collection[str] = ()
) -> tuple[Event, ...]:
    """Emit the events that are due; they are on the disk when this returns. Raises StreamForgeError, OSError.

    `running`: the adapters that outlived the cut. What one of them lost stays open until its next record tells.
    """
    known = load(state)
    opened = [one for one in connection.incarnations().opened if one.number > known.incarnation]
    if not opened:
        return ()
    found = lost(connection, promises, opened, known.incarnation)
    events = tuple(loss_event(one, found if one is opened[-1] else None) for one in opened)
    _send(connection, events)
    said = [_said(one, found if one is opened[-1] else None, event) for one, event in zip(opened, events, strict=True)]
    open_ones = [_open(opened[-1], loss) for loss in found if loss.adapter_id in running and not loss.is_exact]
    save(state, known.saying(said, open_ones, opened[-1].number))
    return events


def lost(connection: Connection, promises: Promises, opened: Sequence[Incarnation], done: int) -> list[Loss]:
    """What the epochs that lived between incarnation `done` and the newest of `opened` lost. Raises NotConnected."""
    aside = [number for number, one in enumerate(opened[:-1]) if one.is_kept_aside]
    if aside:  # what stood before it is not to be found here
        done, opened = opened[aside[-1]].number, opened[aside[-1] + 1 :]
    cut = {
        adapter_id: [one for one in epochs if one.lived_through(done, opened[-1].number)]
        for adapter_id, epochs in promises.items()
    }
    reader = Reader(connection)
    try:
        found = [around(reader, place, _firsts(opened, place), cut) for place in reader.partitions(RAW)]
    finally:
        reader.close()
    return losses(cut, found, is_anew=opened[-1].is_kept_aside)


def _firsts(opened: Sequence[Incarnation], place: Partition) -> list[int]:
    return [first for one in opened if (first := one.first(place)) is not None]


def _open(opened: Incarnation, loss: Loss) -> Open:
    first = opened.first(Partition(RAW)) or 0
    return Open(incarnation=opened.number, adapter_id=loss.adapter_id, epoch=loss.epoch, end=loss.end, first=first)


def _said(opened: Incarnation, found: Sequence[Loss] | None, event: Event) -> Said:
    is_counted = found is not None and not opened.is_kept_aside
    return Said(
        incarnation=opened.number,
        opened_at_us=opened.opened_at_us,
        message=event.message,
        at_least=sum(loss.at_least for loss in found or ()) if is_counted else None,
        at_most=sum(loss.at_most for loss in found or ()) if is_counted else None,
    )


def look_again(connection: Connection, promises: Promises, state: Path, *, seconds: float = 0.0) -> tuple[Event, ...]:
    """The exact counts that became visible since: an event for each. Waits so long for the rest.

    An epoch that has ended without another record never shows its count: its bound stands. Raises StreamForgeError,
    OSError.
    """
    deadline = time.monotonic() + seconds
    events: tuple[Event, ...] = ()
    while True:
        known = load(state)
        events += _look(connection, promises, state, known)
        if not load(state).open or time.monotonic() > deadline:
            return events
        time.sleep(LOOK_SECONDS)


def _look(connection: Connection, promises: Promises, state: Path, known: Reconciled) -> tuple[Event, ...]:
    if not known.open:
        return ()
    reader = Reader(connection)
    try:
        places = reader.partitions(RAW)
        holes = {one: _hole(reader, one, places) for one in known.open}
    finally:
        reader.close()
    events = tuple(exact_event(one, hole) for one, hole in holes.items() if hole is not None)
    _send(connection, events)
    for one, hole in holes.items():
        if hole is not None or one.epoch != max((other.epoch for other in promises.get(one.adapter_id, ())), default=0):
            known = known.settled(one)
    save(state, known)
    return events


def _hole(reader: Reader, one: Open, places: Sequence[Partition]) -> int | None:
    return hole_after(reader, places[0], one.first, (one.adapter_id, one.epoch), one.end) if len(places) == 1 else None


def _send(connection: Connection, events: Sequence[Event]) -> None:
    """They are on the disk when this returns."""
    if not events:
        return
    deliver(connection, EVENTS, events, FLUSH_SECONDS)
    for one in events:
        _log.warning("data_loss", **one.details)
