"""From a Sparkplug metric to a value: data types, signs, data sets and templates as JSON. Pure."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from struct import Struct
from typing import Any

import orjson

from streamforge.adapters import sparkplug_wire as wire
from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.sparkplug_wire import fields
from streamforge.model import Kind, Value


class DataType(IntEnum):
    """Sparkplug 3.0, 6.4.16."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    STRING_ARRAY = 33
    BOOLEAN_ARRAY = 32


class Mismatch(Exception):  # noqa: N818 - says what is known of the metric, not what failed
    """A value that its data type does not have: what is known of the metric is of another birth."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """A whole number of so many bits."""

    bits: int
    is_signed: bool

    def of(self, raw: Any) -> int:
        value = int(raw) & ((1 << self.bits) - 1)
        return value - (1 << self.bits) if self.is_signed and value >> (self.bits - 1) else value


def _text(raw: Any) -> str:
    return bytes(raw).decode()


def _base64(raw: Any) -> str:
    return base64.b64encode(raw).decode()


_WHOLE = {wire.INT, wire.LONG}
_REAL = {wire.FLOAT, wire.DOUBLE}
_FIELDS: dict[int, tuple[set[int], Kind, Callable[[Any], Value]]] = {
    **{1 + place: (_WHOLE, Kind.LONG, _Whole(8 << place, is_signed=True).of) for place in range(4)},
    **{5 + place: (_WHOLE, Kind.LONG, _Whole(8 << place, is_signed=False).of) for place in range(3)},
    DataType.UINT64: (_WHOLE, Kind.ULONG, _Whole(64, is_signed=False).of),
    DataType.FLOAT: (_REAL, Kind.DOUBLE, float),
    DataType.DOUBLE: (_REAL, Kind.DOUBLE, float),
    DataType.BOOLEAN: ({wire.BOOLEAN}, Kind.BOOLEAN, bool),
    DataType.STRING: ({wire.STRING}, Kind.STRING, _text),
    DataType.DATETIME: (_WHOLE, Kind.LONG, _Whole(64, is_signed=True).of),
    DataType.TEXT: ({wire.STRING}, Kind.STRING, _text),
    DataType.UUID: ({wire.STRING}, Kind.STRING, _text),
    DataType.BYTES: ({wire.BYTES}, Kind.STRING, _base64),
    DataType.FILE: ({wire.BYTES}, Kind.STRING, _base64),
    DataType.DATASET: ({wire.DATASET}, Kind.STRING, lambda raw: orjson.dumps(_data_set(raw)).decode()),
    DataType.TEMPLATE: ({wire.TEMPLATE}, Kind.STRING, lambda raw: orjson.dumps(_template(raw, 0)).decode()),
}  # fmt: skip
_ARRAYS = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d", 34: "q"}
_INFERRED = {
    wire.INT: DataType.INT32, wire.LONG: DataType.INT64, wire.FLOAT: DataType.FLOAT, wire.DOUBLE: DataType.DOUBLE,
    wire.BOOLEAN: DataType.BOOLEAN, wire.STRING: DataType.STRING, wire.BYTES: DataType.BYTES,
    wire.DATASET: DataType.DATASET, wire.TEMPLATE: DataType.TEMPLATE,
}  # fmt: skip
MOST_NESTED = 8


def kind_of(datatype: int) -> Kind:
    """What readings of this data type are; arrays are text (JSON)."""
    found = _FIELDS.get(datatype)
    return Kind.STRING if found is None else found[1]


def inferred(field: int) -> int:
    """The data type of a value whose metric does not say it."""
    return _INFERRED.get(field, 0)


def value_of(datatype: int, field: int, raw: Any) -> Value:
    """The value; None for a number that is not finite. Raises Mismatch, or Unreadable where it cannot be read."""
    found = _FIELDS.get(datatype)
    if found is None:
        if field != wire.BYTES:
            raise Mismatch
        return orjson.dumps(_array(datatype, raw)).decode()
    own, _, read = found
    if field not in own:
        raise Mismatch
    try:
        value = read(raw)
    except UnicodeDecodeError:
        raise Unreadable("not Sparkplug B: a text that is not UTF-8") from None
    return None if isinstance(value, float) and not isfinite(value) else value


def _array(datatype: int, raw: bytes) -> list[Any]:
    """Little-endian elements; booleans packed behind a count, texts each ended by a zero byte (6.4.16)."""
    if datatype == DataType.BOOLEAN_ARRAY and len(raw) >= 4:
        count = int.from_bytes(raw[:4], "little")
        if count > 8 * (len(raw) - 4):
            raise Unreadable("an array that is cut off")
        return [bool(raw[4 + place // 8] & 128 >> place % 8) for place in range(count)]
    if datatype == DataType.STRING_ARRAY:
        return [piece.decode(errors="replace") for piece in raw.split(b"\0")[:-1]]
    letter = _ARRAYS.get(datatype)
    if letter is None:
        msg = f"data type {datatype} is not known"
        raise Unreadable(msg)
    form = Struct(f"<{letter}")
    if len(raw) % form.size:
        raise Unreadable("an array that is cut off")
    return [value for (value,) in form.iter_unpack(raw)]


def _data_set(data: bytes) -> list[dict[str, Any]]:
    """Rows as tables: column -> value."""
    columns: list[str] = []
    types: list[int] = []
    rows: list[list[Any]] = []
    for number, _, value in fields(data):
        if number == 2 and isinstance(value, bytes):
            columns.append(value.decode())
        elif number == 3:
            types += [value] if isinstance(value, int) else list(value)  # one each, or packed: all are below 128
        elif number == 4 and isinstance(value, bytes):
            rows.append([_plain(element, 9) for inside, _, element in fields(value) if inside == 1])
    return [
        {name: _typed(cell, types[place] if place < len(types) else 0) for place, (name, cell) in enumerate(pairs)}
        for pairs in ([*zip(columns, row, strict=False)] for row in rows)
    ]


def _plain(data: int | bytes, shift: int) -> tuple[int, Any]:
    """Field and value of a message whose fields are those of a metric, `shift` lower."""
    found: tuple[int, Any] = (0, None)
    for number, kind, value in fields(data) if isinstance(data, bytes) else ():
        if wire.INT <= number + shift <= wire.STRING:
            found = number + shift, wire.raw(number + shift, kind, value)
    return found


def _typed(cell: tuple[int, Any], datatype: int) -> Value:
    field, raw = cell
    return None if not field else _or_none(datatype or inferred(field), field, raw)


def _or_none(datatype: int, field: int, raw: Any) -> Value:
    try:
        return value_of(datatype, field, raw)
    except Mismatch:
        return None


def _template(data: bytes, depth: int) -> dict[str, Any]:
    """The metrics of a template instance: name -> value."""
    if depth > MOST_NESTED:
        raise Unreadable("templates within templates without an end")
    found: dict[str, Any] = {}
    for number, _, value in fields(data):
        if number == 2 and isinstance(value, bytes):
            metric = wire.metric(value)
            if metric.field == wire.TEMPLATE and isinstance(metric.raw, bytes):
                found[metric.name] = _template(metric.raw, depth + 1)
            else:
                cell = (0 if metric.is_null else metric.field, metric.raw)
                found[metric.name] = _typed(cell, metric.datatype)
    return found
