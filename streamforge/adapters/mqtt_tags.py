"""A tag row made exact for values that arrive as text or JSON: from what stands in the payload to a reading. Pure."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import orjson

from streamforge.adapters.mqtt_readings import Sample, kind_of
from streamforge.adapters.tags import DataType, TagRow, whole_divisor
from streamforge.model import Kind, Quality, Value

NULL, MISSING, INVALID = "null", "missing", "invalid"
NOT_A_NUMBER, NOT_A_BOOL, OUT_OF_RANGE = "not_a_number", "not_a_bool", "out_of_range"
NO_DEVICE_TIME, RETAINED = "no_device_time", "retained"
_TRUE = {"true", "on", "yes", "1"}
_FALSE = {"false", "off", "no", "0"}
_BITS = {
    DataType.INT8: 8, DataType.UINT8: 8, DataType.INT16: 16, DataType.UINT16: 16, DataType.INT32: 32,
    DataType.UINT32: 32, DataType.INT64: 64, DataType.UINT64: 64,
}  # fmt: skip
_FLOATS = {DataType.FLOAT32, DataType.FLOAT64}
OF_TEXT = {DataType.BOOL, DataType.STRING, *_FLOATS, *_BITS}


class Wrong(ValueError):  # noqa: N818 - becomes the quality of one reading
    """A value that is none of its type; the message is the reading's reason."""


class Stamp(NamedTuple):
    """When a message's readings were taken, and how far that can be trusted; `time_us` 0 = it does not say."""

    time_us: int = 0
    quality: int = Quality.GOOD
    reason: str = ""


NO_STAMP = Stamp()


def kind_of_type(kind: DataType | None, *, is_scaled: bool) -> Kind | None:
    """What the reading is on the log; None = as the value comes."""
    if kind is DataType.BOOL or kind is DataType.BIT:
        return Kind.BOOLEAN
    if kind is DataType.STRING:
        return Kind.STRING
    if kind is None:
        return Kind.DOUBLE if is_scaled else None
    if kind not in _BITS or is_scaled:
        return Kind.DOUBLE
    return Kind.ULONG if kind is DataType.UINT64 else Kind.LONG


class Tag:
    """One row: `sample` makes its reading of one raw value."""

    def __init__(self, row: TagRow) -> None:
        self.row = row
        self.parameter = row.param
        self._is_scaled = row.scale != 1.0 or row.offset != 0.0
        self._divisor = whole_divisor(row.scale)
        self._kind = kind_of_type(row.type, is_scaled=self._is_scaled)
        self._invalid = frozenset(row.invalid if isinstance(row.invalid, tuple) else (row.invalid,))

    def sample(self, asset_id: str, raw: object, stamp: Stamp) -> Sample:
        """The reading; BAD with its reason where the raw value is none."""
        try:
            value = self._value(raw)
        except Wrong as wrong:
            return self.bad(asset_id, str(wrong), stamp)
        row, kind = self.row, kind_of(value) if self._kind is None else self._kind
        asset_id = row.asset_id or asset_id
        return Sample(asset_id, row.param, value, row.unit, kind, stamp.quality, stamp.reason, stamp.time_us)

    def bad(self, asset_id: str, reason: str, stamp: Stamp) -> Sample:
        """A reading that is not there."""
        row, kind = self.row, self._kind or Kind.DOUBLE
        asset_id = row.asset_id or asset_id
        return Sample(asset_id, row.param, None, row.unit, kind, Quality.BAD, reason, stamp.time_us)

    def _value(self, raw: object) -> Value:
        if raw is None:
            raise Wrong(NULL)
        if self._kind is Kind.BOOLEAN:
            return to_bool(raw)
        if self._kind is Kind.STRING:
            return raw if isinstance(raw, str) else orjson.dumps(raw).decode()
        if self._kind is None and isinstance(raw, bool | str):
            return raw
        number = to_number(raw)
        if number in self._invalid:
            raise Wrong(INVALID)
        return self._scaled(self._ranged(number))

    def _ranged(self, number: float) -> float:
        """A whole number where the type is one; within its bounds."""
        bits = _BITS.get(self.row.type) if self.row.type is not None else None
        if bits is None:
            return float(number)
        if number != int(number):
            raise Wrong(OUT_OF_RANGE)
        is_signed = str(self.row.type).startswith("int")
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
        if not least <= number <= most:
            raise Wrong(OUT_OF_RANGE)
        return int(number)

    def _scaled(self, number: float) -> float:
        if not self._is_scaled:
            return number
        row = self.row
        return (number / self._divisor if self._divisor else number * row.scale) + row.offset


def to_number(raw: object) -> float:
    """A finite number, also one written as text. Raises Wrong."""
    if isinstance(raw, bool):
        return int(raw)
    if isinstance(raw, str):
        raw = _number_of(raw)
    if not isinstance(raw, int | float) or not isfinite(raw):
        raise Wrong(NOT_A_NUMBER)
    return raw


def _number_of(text: str) -> float:
    plain = text.strip()
    if "_" in plain:  # Python's, nobody else's
        raise Wrong(NOT_A_NUMBER)
    try:
        return int(plain) if plain.lstrip("+-").isdecimal() and len(plain) <= 20 else float(plain)
    except ValueError:
        raise Wrong(NOT_A_NUMBER) from None


def to_bool(raw: object) -> bool:
    """True, false, a number (not 0 = true), or one of the usual words. Raises Wrong."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float) and isfinite(raw):
        return raw != 0
    word = raw.strip().lower() if isinstance(raw, str) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Wrong(NOT_A_BOOL)


def check_types(rows: Sequence[TagRow]) -> None:
    """Refuse types that are of bytes alone. Raises ValueError."""
    for row in rows:
        if row.type is not None and row.type not in OF_TEXT:
            msg = f'{row.param}: type "{row.type.value}" is one of bytes; here: {", ".join(sorted(OF_TEXT))}'
            raise ValueError(msg)
        if row.type in {DataType.BOOL, DataType.STRING} and (row.scale != 1.0 or row.offset != 0.0):
            msg = f'{row.param}: type "{row.type}" is no number, so it has neither scale nor offset'
            raise ValueError(msg)
