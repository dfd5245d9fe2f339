"""Sparkplug B payloads: the protocol buffers of the Eclipse specification (3.0, chapter 6.4) as plain values. Pure.

Own code instead of a generated module: six messages, read only, and no library for them on the gateway.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.mqtt_times import MOST_US

MOST_METRICS = 20_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Fields of a metric that hold its value: int, long, float, double, boolean, string, bytes, data set, template.
INT, LONG, FLOAT, DOUBLE, BOOLEAN, STRING, BYTES, DATASET, TEMPLATE = range(10, 19)
_NUMBERS = {2: "alias", 4: "datatype", 5: "is_historical", 7: "is_null"}
_REALS = {FLOAT: Struct("<f"), DOUBLE: Struct("<d")}
Field = tuple[int, int, int | bytes]
"""Number, wire type, and the number or the bytes that stand there."""


@dataclass(slots=True)
class Metric:
    """One metric as it came: `alias` -1 = none; `field` 0 = it has no value; `raw` as `field` says."""

    name: str = ""
    alias: int = -1
    time_ms: int = 0
    datatype: int = 0
    is_historical: int = 0
    is_null: int = 0
    field: int = 0
    raw: int | float | bytes = 0
    unit: str = ""
    quality: int = -1


@dataclass(slots=True)
class Payload:
    """One message; `seq` -1 = it carries none."""

    time_ms: int
    seq: int
    metrics: list[Metric]


def fields(data: bytes) -> Iterator[Field]:
    """The fields of one message. Raises Unreadable where the bytes are none."""
    at, end = 0, len(data)
    try:
        while at < end:
            key = data[at]
            at += 1
            if key >= 128:
                key, at = _varint(data, at - 1)
            wire = key & 7
            if wire == _VARINT:
                value: int | bytes = data[at]
                at += 1
                if data[at - 1] >= 128:
                    value, at = _varint(data, at - 1)
            else:
                if wire == _BYTES:
                    size = data[at]
                    at += 1
                    if size >= 128:
                        size, at = _varint(data, at - 1)
                else:
                    size = 8 if wire == _FIXED64 else 4 if wire == _FIXED32 else end
                value = data[at : at + size]
                at += size
            if at > end:
                raise Unreadable("not Sparkplug B: cut off")
            yield key >> 3, wire, value
    except IndexError:
        raise Unreadable("not Sparkplug B: cut off") from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in pieces of seven bits, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise Unreadable("not Sparkplug B: a number of more than ten bytes")


def decode(data: bytes) -> Payload:
    """The message. Raises Unreadable."""
    payload = Payload(0, -1, [])
    try:
        for number, wire, value in fields(data):
            if number == 1:
                payload.time_ms = _time_ms(wire, value)
            elif number == 2:
                if len(payload.metrics) >= MOST_METRICS:
                    msg = f"more than {MOST_METRICS} metrics in one message"
                    raise Unreadable(msg)
                payload.metrics.append(metric(_bytes(wire, value)))
            elif number == 3:
                payload.seq = _int(wire, value)
    except UnicodeDecodeError as error:
        msg = f"not Sparkplug B: {error}"
        raise Unreadable(msg) from None
    return payload


def _int(wire: int, value: int | bytes) -> int:
    if wire != _VARINT or not isinstance(value, int):
        raise Unreadable("not Sparkplug B: a field of another type")
    return value


def _time_ms(wire: int, value: int | bytes) -> int:
    """0 = none, and so is a number that is no time, as of a node whose clock was never set: no record can hold it."""
    time_ms = _int(wire, value)
    return time_ms if time_ms * 1000 < MOST_US else 0


def _bytes(wire: int, value: int | bytes) -> bytes:
    if wire != _BYTES or not isinstance(value, bytes):
        raise Unreadable("not Sparkplug B: a field of another type")
    return value


def metric(data: bytes) -> Metric:
    """One metric. Raises Unreadable."""
    found = Metric()
    for number, wire, value in fields(data):
        if number == 1:
            found.name = _bytes(wire, value).decode()
        elif number == 3:
            found.time_ms = _time_ms(wire, value)
        elif number == 9:
            _properties(found, _bytes(wire, value))
        elif INT <= number <= TEMPLATE:
            found.field, found.raw = number, raw(number, wire, value)
        elif number in _NUMBERS:
            setattr(found, _NUMBERS[number], _int(wire, value))
    return found


def raw(number: int, wire: int, value: int | bytes) -> int | float | bytes:
    """The value of one of the fields from INT on."""
    form = _REALS.get(number)
    if form is not None:
        if not isinstance(value, bytes) or len(value) != form.size:
            raise Unreadable("not Sparkplug B: a field of another type")
        return float(form.unpack(value)[0])
    if number in {INT, LONG, BOOLEAN}:
        return _int(wire, value)
    return _bytes(wire, value)


def _properties(metric: Metric, data: bytes) -> None:
    """Of the property set: engUnit and Quality; the others are for people."""
    keys: list[str] = []
    values: list[int | bytes] = []
    for number, wire, value in fields(data):
        if number == 1:
            keys.append(_bytes(wire, value).decode())
        elif number == 2:
            held = [inner for inside, _, inner in fields(_bytes(wire, value)) if 3 <= inside <= 8]
            values.append(held[-1] if held else b"")
    for key, held_value in zip(keys, values, strict=False):
        if key == "Quality" and isinstance(held_value, int):
            metric.quality = held_value
        elif key in {"engUnit", "EngUnit"} and isinstance(held_value, bytes):
            metric.unit = held_value.decode()


def rebirth(time_ms: int) -> bytes:
    """The payload of the one command that we may send: "Node Control/Rebirth" = true."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + bytes([len(name)]) + name + b"\x20\x0b" + b"\x70\x01"
    return b"\x08" + _encoded(time_ms) + b"\x12" + bytes([len(metric)]) + metric


def _encoded(value: int) -> bytes:
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)
