"""The payload of a message as holding registers: the tag table and decoder of Modbus, for bytes that a radio brings.

Bytes 0 and 1 of the payload are register 40001 (HR0), bytes 2 and 3 are 40002, big endian. Types, orders, scales and
sentinels are those of Modbus, word by word; what a payload is too short for is BAD. A message also brings values that
stand in no payload (a pin, a signal strength): they have names, and are treated as a register of their type would be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

from streamforge.adapters.modbus_decode import Decoder
from streamforge.adapters.modbus_numbers import Scales, checks_of
from streamforge.adapters.modbus_points import Point, expand
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.register_plan import Budget, plan
from streamforge.adapters.registers import Table
from streamforge.adapters.tags import DataType, Order, TagRow
from streamforge.model import Quality, Value

# No radio message is longer than 400 bytes: what stands behind is a misprint.
IMAGE_REGISTERS = 200
NEVER_WRITTEN = 0xFFFF
SHORT_PAYLOAD = "short_payload"
WRONG_TYPE = "wrong_type"

_WHOLE = Budget(gap_registers=IMAGE_REGISTERS, most_registers=IMAGE_REGISTERS)
_STRAIGHT = {Order.ABCD, Order.CDAB}
_PLAIN = {
    DataType.BOOL: DataType.BOOL, DataType.BIT: DataType.BOOL, DataType.STRING: DataType.STRING,
    DataType.FLOAT16: DataType.FLOAT64, DataType.FLOAT32: DataType.FLOAT64, DataType.FLOAT64: DataType.FLOAT64,
}  # fmt: skip


def image_points(row: TagRow, order: Order = Order.ABCD) -> list[Point]:
    """The points of one row; `order` is the device's. Raises ValueError that says what to write instead."""
    points = expand(row, order)
    if points[0].table is not Table.HOLDING_REGISTER:
        msg = f"{row.at}: a payload is an image of holding registers: write 40001 or HR0 for its first two bytes"
        raise ValueError(msg)
    if points[-1].end > IMAGE_REGISTERS:
        msg = f"{row.at}: the image of a payload has {IMAGE_REGISTERS} registers, 40001 to {40000 + IMAGE_REGISTERS}"
        raise ValueError(msg)
    return points


class Image:
    """Reads the same points from one payload after the other."""

    def __init__(self, points: Sequence[Point]) -> None:
        (request,) = plan(points, _WHOLE)
        self._decoder = Decoder(request)
        self._place = slice(request.start * 2, (request.start + request.count) * 2)
        self._needed_bytes = [_needed_bytes(point) for point in points]
        decoded = {id(point): place for place, point in enumerate(self._decoder.points)}
        places = [decoded[id(point)] for point in points]
        self._places = () if places == sorted(places) else places

    def decode(self, payload: bytes) -> Scan:
        """One reading a point, in the order of the points."""
        scan = Scan()
        self._decoder.decode(payload.ljust(self._place.stop, b"\0")[self._place], scan)
        if self._places:
            scan = scan.in_order(self._places)
        if len(payload) < self._place.stop:
            for index, needed_bytes in enumerate(self._needed_bytes):
                if len(payload) < needed_bytes:
                    scan.spoil(index, Quality.BAD, SHORT_PAYLOAD)
        return scan


def _needed_bytes(point: Point) -> int:
    """How long a payload must be for the point: a text may be cut short, the last byte may stand in half a register."""
    first = point.start * 2
    if point.type == DataType.STRING:
        return first + 1
    is_first_byte = point.part == "hi" or (point.bit is not None and point.bit >= 8)
    return first + 1 if is_first_byte and point.order in _STRAIGHT else point.end * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A value that a message brings under a name beside its payload, and the point that it becomes."""

    name: str
    point: Point


def named_point(row: TagRow, name: str, natural: DataType) -> Named:
    """The row as a named value; without a type of its own it has its natural one. Raises ValueError."""
    kind = natural if row.type is None else _PLAIN.get(row.type, DataType.INT64)
    try:
        (point,) = expand(replace(row, at="HR0:1" if kind is DataType.STRING else "HR0", type=kind))
    except ValueError as error:
        msg = f"{row.at} as {kind}: {str(error).partition(': ')[2]}"
        raise ValueError(msg) from None
    return Named(name=name, point=point)


class NamedValues:
    """Reads the same named values from one message after the other."""

    def __init__(self, named: Sequence[Named]) -> None:
        points = [one.point for one in named]
        self._named = named
        self._checks = checks_of(points)
        self._scales = Scales(points)

    def decode(self, fields: Mapping[str, Value], scan: Scan) -> None:
        """Append one reading each; `fields` holds every name."""
        first = len(scan.values)
        for index, one in enumerate(self._named, first):
            _append(fields[one.name], one.point.type, index, scan)
        for check in self._checks:
            check(scan, first)
        self._scales.apply(scan.values, first)


def _append(value: Value, kind: DataType, index: int, scan: Scan) -> None:
    """A value as its type wants it, or BAD."""
    if kind is DataType.STRING and value is not None:
        scan.values.append(nan)
        scan.others[index] = value if isinstance(value, str) else f"{value}"
    elif not isinstance(value, int | float):
        scan.values.append(nan)
        scan.spoil(index, Quality.BAD, WRONG_TYPE)
    elif kind is DataType.BOOL:
        scan.values.append(1 if value else 0)
    elif kind is DataType.FLOAT64:
        _append_float(value, index, scan)
    elif isinstance(value, float) and not value.is_integer():
        scan.values.append(nan)
        scan.spoil(index, Quality.BAD, WRONG_TYPE)
    else:
        _append_long(int(value), index, scan)


def _append_float(value: float, index: int, scan: Scan) -> None:
    try:
        scan.values.append(float(value))
    except OverflowError:
        scan.values.append(nan)
        scan.spoil(index, Quality.BAD, WRONG_TYPE)


def _append_long(value: int, index: int, scan: Scan) -> None:
    if -(1 << 63) <= value < 1 << 63:
        scan.values.append(value)
    else:
        scan.values.append(nan)
        scan.spoil(index, Quality.BAD, WRONG_TYPE)


def registers_of(payload: bytes) -> list[int]:
    """The image itself: what the payload does not reach was never written."""
    whole = payload[: IMAGE_REGISTERS * 2]
    whole += b"\0" * (len(whole) % 2)
    filled = [int.from_bytes(whole[at : at + 2], "big") for at in range(0, len(whole), 2)]
    return filled + [NEVER_WRITTEN] * (IMAGE_REGISTERS - len(filled))
