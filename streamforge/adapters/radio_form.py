"""What the messages of one radio node become: rows of registers and of named values, by kind of message.

A node sends several kinds of messages (a header byte, a port tell them apart) and each brings only some of its values:
only these are read, none is made up. Pure: a message in, batches out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from streamforge.adapters.base import EVERY_READING, Batch, Device
from streamforge.adapters.modbus_points import Point
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.register_image import Image, Named, NamedValues, image_points, named_point
from streamforge.adapters.registers import UnknownForm
from streamforge.adapters.tags import DataType, Order, TagRow
from streamforge.config import KeyedError, of_key
from streamforge.model import Names, Value, names

# The natural type of a name that a row may read beside registers; None where there is no such name.
NaturalType = Callable[[str], DataType | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a node: which kind it is, its payload (None = it carries none), and what else it says."""

    kind: str = ""
    payload: bytes | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    time_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FormRow:
    """A tag row, and the kind of message that it is read from; "" = from every one."""

    row: TagRow
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One point: of registers, or of a name."""

    point: Point
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class _View:
    """What is read of messages of one kind for one asset."""

    asset_id: str
    names: Names
    image: Image | None
    named: NamedValues | None

    def batch(self, message: Message) -> Batch:
        scan = self.image.decode(message.payload or b"") if self.image else Scan()
        if self.named:
            self.named.decode(message.fields, scan)
        return scan.batch(self.asset_id, self.names, message.time_us)


class Form:
    """The rows of one node, compiled once for each kind of message that is seen."""

    def __init__(self, rows: Iterable[FormRow], asset_id: str, natural: NaturalType, order: Order = Order.ABCD) -> None:
        """Raises ValueError naming the row that is wrong."""
        self._entries = [entry for row in rows for entry in _entries(row, asset_id, natural, order)]
        self._kinds = {entry.kind for entry in self._entries}
        self._names = sorted({entry.name for entry in self._entries if entry.name})
        self._wanted = {
            kind: frozenset(entry.name for entry in self._entries if entry.name and entry.kind in {"", kind})
            for kind in {"", *self._kinds}
        }
        self._views: dict[tuple[str, bool, tuple[str, ...]], list[_View]] = {}
        _refuse_doubles(self._entries)

    def wanted(self, kind: str) -> frozenset[str]:
        """The names that rows read from messages of this kind."""
        return self._wanted.get(kind, self._wanted[""])

    @property
    def assets(self) -> list[str]:
        """The assets that the rows feed, in their order."""
        return list(dict.fromkeys(entry.point.asset_id for entry in self._entries))

    def read(self, message: Message) -> list[Batch]:
        """The readings of a message, a batch an asset; none where no row reads anything of it."""
        kind = message.kind if message.kind in self._kinds else ""
        present = tuple(name for name in self._names if name in message.fields)
        key = (kind, message.payload is not None, present)
        views = self._views.get(key)
        if views is None:
            views = self._views[key] = self._compile(*key)
        return [view.batch(message) for view in views]

    def _compile(self, kind: str, has_payload: bool, present: Sequence[str]) -> list[_View]:  # noqa: FBT001 - a key
        chosen = [
            entry
            for entry in self._entries
            if entry.kind in {"", kind} and (entry.name in present if entry.name else has_payload)
        ]
        return [
            _view(asset_id, [entry for entry in chosen if entry.point.asset_id == asset_id])
            for asset_id in dict.fromkeys(entry.point.asset_id for entry in chosen)
        ]

    def devices(self, key: str, peer: str, silence_seconds: float, address: str) -> list[Device]:
        """One device an asset, as the runner watches it; each parameter once, whatever kinds of messages bring it."""
        found: list[Device] = []
        for asset_id in self.assets:
            points = {e.point.parameter: e.point for e in reversed(self._entries) if e.point.asset_id == asset_id}
            ordered = list(reversed(points.values()))
            rules, signals = tuple(point.rule for point in ordered), tuple(point.signal for point in ordered)
            found.append(
                Device(
                    key=key if not found else f"{key}/{asset_id}",
                    asset_id=asset_id,
                    interval_seconds=0.0,
                    names=_names(ordered),
                    rules=() if all(rule == EVERY_READING for rule in rules) else rules,
                    signals=signals if any(signals) else (),
                    silence_seconds=silence_seconds,
                    peer=peer,
                    address=address,
                )
            )
        return found


def check_row(tag: TagRow, natural: NaturalType, known: str = "") -> None:
    """What is wrong with a row by itself is said where the line that it stands in is known. Raises ValueError.

    `known` are the names that it may have besides registers, in words.
    """
    if not tag.at:
        msg = f"{tag.param}: `at` is missing: a register such as 40001, or a name such as RSSI"
        raise KeyedError(msg, "at")
    if tag.interval_ms:
        msg = f"{tag.param}: interval_ms is of what the gateway asks for; this device sends by itself"
        raise KeyedError(msg, "interval_ms")
    kind = natural(tag.at.upper())
    with of_key("at"):
        if kind is not None:
            named_point(tag, tag.at.upper(), kind)
            return
        try:
            image_points(tag)
        except UnknownForm as error:
            msg = f"{error}, or {known}" if known else str(error)
            raise ValueError(msg) from error


def _entries(row: FormRow, asset_id: str, natural: NaturalType, order: Order) -> list[_Entry]:
    tag = row.row
    check_row(tag, natural)
    owned = tag if tag.asset_id else replace(tag, asset_id=asset_id)
    kind = natural(tag.at.upper())
    if kind is None:
        return [_Entry(point, row.kind) for point in image_points(owned, order)]
    named: Named = named_point(owned, tag.at.upper(), kind)
    return [_Entry(named.point, row.kind, named.name)]


def _refuse_doubles(entries: Sequence[_Entry]) -> None:
    """A parameter may come of several kinds of messages, but only once of each."""
    seen: dict[tuple[str, str], set[str]] = {}
    for entry in entries:
        kinds = seen.setdefault((entry.point.asset_id, entry.point.parameter), set())
        if kinds and (not entry.kind or "" in kinds or entry.kind in kinds):
            msg = f"{entry.point.asset_id} has two parameters named {entry.point.parameter!r}"
            raise ValueError(msg)
        kinds.add(entry.kind)


def _view(asset_id: str, entries: Sequence[_Entry]) -> _View:
    registers = [entry.point for entry in entries if not entry.name]
    named = [Named(name=entry.name, point=entry.point) for entry in entries if entry.name]
    return _View(
        asset_id,
        _names([*registers, *(one.point for one in named)]),
        Image(registers) if registers else None,
        NamedValues(named) if named else None,
    )


def _names(points: Sequence[Point]) -> Names:
    return names(
        tuple(point.parameter for point in points),
        tuple(point.unit for point in points),
        bytes(point.kind for point in points),
    )
