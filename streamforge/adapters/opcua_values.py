"""From what a server says of a value to a reading: status code, timestamp, variant. Pure."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite, nan
from typing import Any, NamedTuple

from asyncua import ua

from streamforge.model import Kind, Quality, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a time without a zone is UTC
_SEVERITY = 0xC000_0000
_CODE = 0xFFFF_0000
# The info bits say: this value carries data value bits, and one of these is Overflow (OPC 10000-4, 7.39.1).
_OVERFLOW = 0x480
_UNNAMED = {"Good", "Uncertain", "Bad"}  # what the library calls codes that it does not know
_SUSPECT = {ua.StatusCodes.UncertainLastUsableValue, ua.StatusCodes.GoodLocalOverride}
NO_SOURCE_TIME, NO_VALUE, NOT_A_NUMBER, INVALID, NO_ELEMENT = (
    "no_source_time", "no_value", "not_a_number", "invalid", "no_such_element",
)  # fmt: skip
# A double holds every whole number up to here.
_EXACT = 1 << 53
_NUMBERS = {
    ua.VariantType.Boolean: Kind.BOOLEAN, ua.VariantType.SByte: Kind.LONG, ua.VariantType.Byte: Kind.LONG,
    ua.VariantType.Int16: Kind.LONG, ua.VariantType.UInt16: Kind.LONG, ua.VariantType.Int32: Kind.LONG,
    ua.VariantType.UInt32: Kind.LONG, ua.VariantType.Int64: Kind.LONG, ua.VariantType.UInt64: Kind.ULONG,
    ua.VariantType.Float: Kind.DOUBLE, ua.VariantType.Double: Kind.DOUBLE,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the values of one row become readings: `element` of an array (-1 = all of it), then `raw * scale + offset`.

    A raw value in `invalid` is BAD.
    """

    element: int = -1
    scale: float = 1.0
    offset: float = 0.0
    invalid: tuple[float, ...] = ()

    @property
    def is_scaled(self) -> bool:
        """The reading is not the raw value."""
        return self.scale != 1.0 or self.offset != 0.0


AS_IT_IS = Form()


class Reading(NamedTuple):
    """One reading: `number` as in `model.ReadingBatch.values`, `other` what does not fit a double (else the same)."""

    kind: Kind
    number: float
    other: Value
    quality: Quality
    reason: str
    time_us: int

    @property
    def fits(self) -> bool:
        """Whether the number says it all."""
        return self.other is self.number


class _Stamp(NamedTuple):
    """What holds of a reading whatever its value."""

    quality: Quality
    reason: str
    at_us: int


@lru_cache(maxsize=1024)
def quality_of(code: int) -> tuple[Quality, str]:
    """Quality and reason of a status code; the reason is the code's name in the specification, "" for Good."""
    plain = code & _CODE
    name = ua.StatusCode(plain).name
    name = f"0x{plain:08X}" if name in _UNNAMED and plain & ~_SEVERITY else name
    if plain in _SUSPECT:
        return Quality.SUSPECT, name
    severity = code & _SEVERITY
    if severity == 0:
        return Quality.GOOD, "" if plain == 0 else name
    return (Quality.UNCERTAIN if severity == 0x4000_0000 else Quality.BAD), name


def is_overflow(code: int) -> bool:
    """Whether the server says with this value that its queue was full and earlier ones are lost."""
    return code & _OVERFLOW == _OVERFLOW


def time_us(moment: datetime | None) -> int:
    """Microseconds since 1970; 0 where the server gives none, or one before 1970."""
    if moment is None:
        return 0
    since = moment - (_EPOCH if moment.tzinfo is not None else _PLAIN_EPOCH)
    return max(0, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def reading_of(data: ua.DataValue, form: Form, sampled_us: int = 0) -> Reading:
    """The reading in a data value.

    `sampled_us` is when the gateway itself asked for it: the time of a value that carries none. Of a subscription it
    is 0: a source that should say its time and does not is less to be trusted.
    """
    status, variant = data.StatusCode, data.Value
    if (
        form is AS_IT_IS
        and variant is not None
        and type(variant.Value) is float
        and (status is None or not status.value)
    ):
        at_us = time_us(data.SourceTimestamp)
        if at_us and isfinite(variant.Value):  # nearly every reading: the long way below says the same
            return Reading(Kind.DOUBLE, variant.Value, variant.Value, Quality.GOOD, "", at_us)
    quality, reason = quality_of(status.value) if status is not None and status.value else (Quality.GOOD, "")
    at_us = time_us(data.SourceTimestamp) or sampled_us
    if not at_us:
        at_us = time_us(data.ServerTimestamp)
        if quality is Quality.GOOD:
            quality, reason = Quality.UNCERTAIN, NO_SOURCE_TIME
    if quality is Quality.BAD:
        return bad(reason, at_us)
    return _valued(variant, form, _Stamp(quality, reason, at_us))


def bad(reason: str, at_us: int = 0) -> Reading:
    """No value, for this reason."""
    return Reading(Kind.DOUBLE, nan, None, Quality.BAD, reason, at_us)


def _valued(variant: ua.Variant | None, form: Form, stamp: _Stamp) -> Reading:
    value = variant.Value if variant is not None else None
    if value is None or variant is None:
        return bad(NO_VALUE, stamp.at_us)
    if isinstance(value, list):
        if form.element < 0:
            return Reading(Kind.STRING, nan, as_json(value), *stamp)
        if form.element >= len(value):
            return bad(NO_ELEMENT, stamp.at_us)
        value = value[form.element]
    elif form.element >= 0:
        return bad(NO_ELEMENT, stamp.at_us)
    kind = _NUMBERS.get(variant.VariantType)
    if kind is None:
        return Reading(Kind.STRING, nan, as_text(value), *stamp)
    return _number(value, kind, form, stamp)


def _number(value: Any, kind: Kind, form: Form, stamp: _Stamp) -> Reading:
    if form is not AS_IT_IS:
        if value in form.invalid:
            return bad(INVALID, stamp.at_us)
        if form.is_scaled and kind is not Kind.BOOLEAN:
            value, kind = value * form.scale + form.offset, Kind.DOUBLE
    number = float(value)
    if kind is Kind.DOUBLE and not isfinite(number):
        return bad(NOT_A_NUMBER, stamp.at_us)
    if kind is Kind.DOUBLE or -_EXACT <= value <= _EXACT:
        return Reading(kind, number, number, *stamp)
    return Reading(kind, nan, value if value < 1 << 63 else str(value), *stamp)


def legible(text: str) -> str:
    """Text that is no UTF-8 taken as Latin-1, as old servers send it: the library gives its bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("latin-1")
    return text


def as_text(value: Any) -> str:
    """A value that is no number, as a person would write it; a structure as JSON."""
    for kind, written in _WRITTEN.items():
        if isinstance(value, kind):
            return legible(written(value))
    return as_json(value) if is_dataclass(value) or isinstance(value, dict) else str(value)


def as_json(value: Any) -> str:
    """An array or a structure on one line; its members that JSON does not have are texts."""
    plain = asdict(value) if _is_structure(value) else value
    return legible(json.dumps(plain, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    return asdict(value) if _is_structure(value) else as_text(value)


def _is_structure(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type) and not isinstance(value, tuple(_WRITTEN))


def _iso(value: datetime) -> str:
    return value.replace(tzinfo=UTC).isoformat() if value.tzinfo is None else value.isoformat()


_WRITTEN: dict[type, Callable[[Any], str]] = {
    str: str,
    bytes: bytes.hex,
    datetime: _iso,
    ua.LocalizedText: lambda value: value.Text or "",
    ua.QualifiedName: lambda value: value.Name or "",
    ua.NodeId: lambda value: str(value.to_string()),
    ua.StatusCode: lambda value: str(value.name),
    ua.Variant: lambda value: as_text(value.Value),
}
