"""What is read of a server, item by item, and how the values of a notification become batches."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua

from streamforge.adapters.base import Batch
from streamforge.adapters.opcua_address import Address, parse_address
from streamforge.adapters.opcua_config import NodeRow
from streamforge.adapters.opcua_values import AS_IT_IS, Form, Reading, is_overflow, reading_of
from streamforge.model import names

# A change of few of many items makes ever new columns, each of which is remembered: they must be short.
MOST_COLUMNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One parameter of one asset and the node it is read from; `sampling_ms` 0 = the subscription's own."""

    asset_id: str
    parameter: str
    unit: str = ""
    address: Address
    form: Form = AS_IT_IS
    sampling_ms: int = 0


def item_of(asset_id: str, row: NodeRow) -> Item:
    """The item of a row."""
    address = parse_address(row.at)
    invalid = row.invalid if isinstance(row.invalid, tuple) else (row.invalid,)
    return Item(
        asset_id=asset_id,
        parameter=row.param,
        unit=row.unit,
        address=address,
        form=_form(address.element, row, invalid),
        sampling_ms=row.interval_ms,
    )


def _form(element: int, row: NodeRow, invalid: tuple[float, ...]) -> Form:
    form = Form(element=element, scale=row.scale, offset=row.offset, invalid=invalid)
    return AS_IT_IS if form == AS_IT_IS else form


def batches(readings: Iterable[tuple[Item, Reading]]) -> list[Batch]:
    """The readings by asset, in order; several of one parameter stand in batches of their own, the older ones first."""
    done: list[Batch] = []
    growing: dict[str, dict[str, tuple[Item, Reading]]] = {}
    for pair in readings:
        item = pair[0]
        found = growing.get(item.asset_id)
        if found is None or item.parameter in found or len(found) >= MOST_COLUMNS:
            if found is not None:
                done.append(_batch(item.asset_id, found.values()))
            found = growing[item.asset_id] = {}
        found[item.parameter] = pair
    return done + [_batch(asset_id, found.values()) for asset_id, found in growing.items()]


def _batch(asset_id: str, pairs: Collection[tuple[Item, Reading]]) -> Batch:
    items, readings = zip(*pairs, strict=True)
    kinds, values, others, qualities, reasons, times = zip(*readings, strict=True)
    return Batch(
        asset_id=asset_id,
        names=names(tuple([item.parameter for item in items]), tuple([item.unit for item in items]), bytes(kinds)),
        values=values,
        others={i: other for i, other in enumerate(others) if other is not values[i]},
        qualities=bytes(qualities) if any(qualities) else b"",
        reasons={i: reason for i, reason in enumerate(reasons) if reason},
        device_times_us=times[:1] if times.count(times[0]) == len(times) else times,
    )


def by_turns(notes: Sequence[Any]) -> Iterable[Any]:
    """Notifications with the first of each item before the second of any, so that batches are few and long."""
    if len({note.ClientHandle for note in notes}) == len(notes):
        return notes
    counts: dict[int, int] = {}
    turns: list[list[Any]] = []
    for note in notes:
        turn = counts[note.ClientHandle] = counts.get(note.ClientHandle, -1) + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(note)
    return [note for turn in turns for note in turn]


class ItemTable:
    """The items of one subscription by client handle, and the last that was heard of each."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = dict(enumerate(items, 1))
        self.last: dict[int, Reading] = {}
        self.heard: set[int] = set()
        self.lost = 0

    def take(self, notes: Sequence[Any]) -> list[tuple[Item, Reading]]:
        """The readings of data change notifications (`ua.MonitoredItemNotification`)."""
        found = []
        items, last = self.items, self.last
        for note in by_turns(notes):
            handle, data = note.ClientHandle, note.Value
            item = items.get(handle)
            if item is None:  # deleted here, and still on its way there
                continue
            reading = reading_of(data, item.form)
            if reading.other is None and handle in last:  # of what kind its values are is known by now
                reading = reading._replace(kind=last[handle].kind)
            last[handle] = reading
            found.append((item, reading))
            status = data.StatusCode
            if status is not None and status.value and is_overflow(status.value):
                self.lost += 1
        self.heard.update(note.ClientHandle for note in notes)
        return found

    def note(self, handle: int, reading: Reading) -> Reading:
        """Remember it as the last of its item."""
        self.last[handle] = reading
        self.heard.add(handle)
        return reading

    def unheard(self) -> list[tuple[Item, Reading]]:
        """What the items that said nothing since `heard` was emptied said last: a server sends changes alone."""
        return [
            (self.items[handle], reading)
            for handle, reading in self.last.items()
            if handle not in self.heard and handle in self.items
        ]

    def add(self, items: Iterable[Item]) -> dict[int, Item]:
        """More items, under handles of their own."""
        first = max(self.items, default=0) + 1
        more = dict(enumerate(items, first))
        self.items |= more
        return more

    def drop(self, handles: Iterable[int]) -> None:
        """Items that are no more."""
        for handle in handles:
            self.items.pop(handle, None)
            self.last.pop(handle, None)


def wanted(node: ua.NodeId, handle: int, sampling_ms: int, queue_size: int) -> ua.MonitoredItemCreateRequest:
    """What is asked for one item: nothing is left to the server's choice, whose queue would be one value long."""
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=handle, SamplingInterval=float(sampling_ms), QueueSize=queue_size, DiscardOldest=True
        ),
    )
