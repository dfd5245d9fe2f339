"""Binary payloads: values by byte offset, type and order, or the fields of a struct. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from struct import Struct, error

from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_tags import Stamp, Tag, Wrong
from streamforge.adapters.tags import DataType, Order, TagRow

_AT = re.compile(r"(\d{1,5})(?:\.([0-7]))?(?::(\d{1,5}))?")
_LETTERS = {
    DataType.INT8: "b", DataType.UINT8: "B", DataType.INT16: "h", DataType.UINT16: "H", DataType.INT32: "i",
    DataType.UINT32: "I", DataType.INT64: "q", DataType.UINT64: "Q", DataType.FLOAT16: "e", DataType.FLOAT32: "f",
    DataType.FLOAT64: "d", DataType.BOOL: "?", DataType.BCD16: "H", DataType.BCD32: "I", DataType.UNIXTIME32: "I",
}  # fmt: skip
_FIELDS = re.compile(r"[<>=!]?[0-9xbBhHiIqQefds?\s]+")
_BCD = {DataType.BCD16, DataType.BCD32}
Read = Callable[[bytes], object]


class BytesDecoder:
    """Rows whose `at` is a byte offset (`4`, bit `4.0`, text of 8 bytes `4:8`), or with a struct a field from 1."""

    def __init__(self, rows: Sequence[TagRow], fields: str, order: Order) -> None:
        """Raises ValueError for a row that does not fit."""
        self._struct = _struct(fields) if fields else None
        self._fields: list[tuple[Tag, int]] = []
        self._reads: list[tuple[Tag, Read, int]] = []
        for row in rows:
            if self._struct is not None:
                self._fields.append((Tag(row), _field(row, self._struct)))
            else:
                read, end = _reader(row, row.order or order)
                self._reads.append((Tag(replace(row, type=_read_as(row))), read, end))

    def decode(self, payload: bytes, asset_id: str, stamp: Stamp) -> list[Sample]:
        """One reading a row. Raises Unreadable where the payload is too short, or not of the struct's size."""
        if self._struct is not None:
            return self._unpack(self._struct, payload, asset_id, stamp)
        least = max((end for _, _, end in self._reads), default=0)
        if len(payload) < least:
            msg = f"{len(payload)} bytes, and the tags ask for {least}"
            raise Unreadable(msg)
        samples = []
        for tag, read, _ in self._reads:
            try:
                samples.append(tag.sample(asset_id, read(payload), stamp))
            except Wrong as wrong:
                samples.append(tag.bad(asset_id, str(wrong), stamp))
        return samples

    def _unpack(self, form: Struct, payload: bytes, asset_id: str, stamp: Stamp) -> list[Sample]:
        if len(payload) != form.size:
            msg = f"{len(payload)} bytes, and the struct has {form.size}"
            raise Unreadable(msg)
        found = form.unpack(payload)
        return [tag.sample(asset_id, _text(found[index]), stamp) for tag, index in self._fields]


def _text(raw: object) -> object:
    return raw.rstrip(b"\0 ").decode("latin-1") if isinstance(raw, bytes) else raw


def _struct(fields: str) -> Struct:
    """As Python's `struct`, but little-endian and packed where it does not say, and never padded."""
    plain = fields if fields[0] in "<>=!" else f"<{fields}"
    try:
        if not _FIELDS.fullmatch(fields):
            raise error("letters are b B h H i I q Q e f d ? s x")
        return Struct(plain)
    except error as problem:
        msg = f'struct = "{fields}": {problem}; for example "<hHf": two 16-bit numbers and a float, little-endian'
        raise ValueError(msg) from None


def _field(row: TagRow, form: Struct) -> int:
    count = len(form.unpack(bytes(form.size)))
    if not row.at.isdecimal() or not 1 <= int(row.at) <= count:
        msg = f'{row.param}: at = "{row.at}" must be the number of a field, 1 to {count}'
        raise ValueError(msg)
    return int(row.at) - 1


def _reader(row: TagRow, order: Order) -> tuple[Read, int]:
    """What reads the row's raw value, and the first byte after it. Raises ValueError."""
    found = _AT.fullmatch(row.at)
    if found is None:
        msg = f'{row.param}: at = "{row.at}" must be a byte offset from 0, for example 4, bit 4.0, or text 4:8'
        raise ValueError(msg)
    start, bit, count = int(found[1]), found[2], int(found[3] or 0)
    if bit is not None or row.type is DataType.BIT:
        return _bit(row, start, bit), start + 1
    if row.type is DataType.STRING:
        if not count:
            msg = f'{row.param}: at = "{row.at}" must say how many bytes of text, for example {start}:8'
            raise ValueError(msg)
        return (lambda payload: _text(payload[start : start + count])), start + count
    if row.type is None or count:
        msg = f"{row.param}: type is missing, one of {', '.join(sorted(_LETTERS))}, string, bit"
        raise ValueError(msg)
    return _number(row.type, start, order)


def _bit(row: TagRow, start: int, bit: str | None) -> Read:
    if bit is None or row.type not in {DataType.BIT, DataType.BOOL, None}:
        msg = f'{row.param}: a bit is at = "{start}.0" to "{start}.7" with type = "bit"'
        raise ValueError(msg)
    mask = 1 << int(bit)
    return lambda payload: bool(payload[start] & mask)


def _number(kind: DataType, start: int, order: Order) -> tuple[Read, int]:
    is_little = order in {Order.DCBA, Order.BADC}
    form = Struct(("<" if is_little else ">") + _LETTERS[kind])
    end = start + form.size
    is_swapped = order in {Order.CDAB, Order.BADC} and form.size > 2

    def read(payload: bytes) -> object:
        raw = payload[start:end]
        if is_swapped:
            raw = b"".join(raw[place : place + 2] for place in range(form.size - 2, -1, -2))
        value = form.unpack(raw)[0]
        return _digits(value) if kind in _BCD else value

    return read, end


def _digits(value: int) -> int:
    """Binary coded decimal. Raises Wrong for a digit above 9."""
    text = f"{value:x}"
    if not text.isdecimal():
        raise Wrong("not_bcd")
    return int(text)


def _read_as(row: TagRow) -> DataType | None:
    """The type of the raw value once it is read, as text and JSON know it."""
    if row.type in _BCD or row.type is DataType.UNIXTIME32:
        return DataType.UINT32
    if row.type is DataType.FLOAT16:
        return DataType.FLOAT32
    return DataType.BOOL if row.type in {DataType.BIT, None} else row.type
