"""Writes Sparkplug B payloads from the specification's field numbers alone; knows nothing of the decoder."""

from dataclasses import dataclass, field
from struct import pack


def varint(value: int) -> bytes:
    """Base 128, least significant group first; negative numbers as 64-bit two's complement."""
    value &= (1 << 64) - 1
    groups = [value >> shift & 0x7F for shift in range(0, max(7, (value.bit_length() + 6) // 7 * 7), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def number(tag: int, value: int) -> bytes:
    return varint(tag << 3) + varint(value)


def text(tag: int, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(tag << 3 | 2) + varint(len(raw)) + raw


def value_field(kind: str, value: object, shift: int = 0) -> bytes:
    """int long float double bool string bytes dataset template: fields 10 to 18 of a metric, less `shift`."""
    tag = ["int", "long", "float", "double", "bool", "string", "bytes", "dataset", "template"].index(kind) + 10 - shift
    if kind == "float":
        return varint(tag << 3 | 5) + pack("<f", value)
    if kind == "double":
        return varint(tag << 3 | 1) + pack("<d", value)
    if isinstance(value, str | bytes):
        return text(tag, value)
    return number(tag, int(value))  # type: ignore[call-overload] # what else there is, is a number


@dataclass
class M:
    """One metric as the wire shall have it; None = left out."""

    name: str | None = None
    kind: str = "double"
    value: object = None
    type: int | None = None
    alias: int | None = None
    time_ms: int | None = None
    historical: bool = False
    null: bool = False
    properties: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def encode(self) -> bytes:
        out = b""
        if self.name is not None:
            out += text(1, self.name)
        if self.alias is not None:
            out += number(2, self.alias)
        if self.time_ms is not None:
            out += number(3, self.time_ms)
        if self.type is not None:
            out += number(4, self.type)
        if self.historical:
            out += number(5, 1)
        if self.null:
            out += number(7, 1)
        if self.properties:
            keys = b"".join(text(1, key) for key in self.properties)
            values = b"".join(text(2, number(1, kind) + raw) for kind, raw in self.properties.values())
            out += text(9, keys + values)
        return out + (value_field(self.kind, self.value) if self.value is not None else b"")


def payload(*metrics: M, seq: int | None = None, time_ms: int | None = 1_767_323_045_000) -> bytes:
    """A whole message."""
    out = number(1, time_ms) if time_ms is not None else b""
    out += b"".join(text(2, metric.encode()) for metric in metrics)
    return out + (number(3, seq) if seq is not None else b"")


def data_set(columns: list[str], types: list[int], rows: list[list[bytes]]) -> bytes:
    """`rows` hold encoded values (`value_field(..., shift=9)`)."""
    out = number(1, len(columns)) + b"".join(text(2, one) for one in columns)
    out += b"".join(number(3, one) for one in types)
    return out + b"".join(text(4, b"".join(text(1, cell) for cell in row)) for row in rows)
