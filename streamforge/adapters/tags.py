"""One tag row, the same columns for every protocol: `at` alone is the protocol's own.

A row says which point of the device becomes which parameter of the asset, and when it is worth a record.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from streamforge.adapters.base import EVERY_READING, ReportRule, SignalRule
from streamforge.adapters.conditions import parse_condition
from streamforge.model import Severity


class DataType(StrEnum):
    """How the bytes of a point are read."""

    BOOL = "bool"
    BIT = "bit"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    UNIXTIME32 = "unixtime32"


class Classification(StrEnum):
    """What a point is for: a value to be kept, something that happens, or a condition that somebody must act on."""

    TELEMETRY = "TELEMETRY"
    EVENT = "EVENT"
    ALARM = "ALARM"


class Order(StrEnum):
    """In which order the bytes of a value arrive: A is the most significant byte; 64 bits follow the same letters."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRow:
    """One point of a device.

    A reading is `raw * scale + offset`; a raw value in `invalid` is BAD. `deadband` is an absolute change (0.5), a
    share of the last reported value ("1%") or "any" change; without it every reading is reported. After
    `max_silence_s` seconds an unchanged value is reported all the same. `interval_ms` 0 = the device's own. Of the
    class EVENT each change is an event too; of the class ALARM an alarm stands as long as `when` holds ("true"). Both
    are reported at any change where no deadband is given.
    """

    param: str
    at: str = ""
    type: DataType | None = None
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    order: Order | None = None
    deadband: float | str | None = None
    max_silence_s: float = 300.0
    interval_ms: int = 0
    invalid: tuple[float, ...] | float = ()
    asset_id: str = ""
    classification: Classification = field(default=Classification.TELEMETRY, metadata={"key": "class"})
    when: str = ""
    severity: Severity | None = None
    message: str = ""

    def __post_init__(self) -> None:
        if not self.param:
            msg = "param is empty: it names the parameter that this point becomes"
            raise ValueError(msg)
        if self.scale == 0 or not math.isfinite(self.scale) or not math.isfinite(self.offset):
            msg = f"scale {self.scale} and offset {self.offset} must be finite numbers, scale not 0"
            raise ValueError(msg)
        if self.interval_ms < 0 or self.max_silence_s <= 0:
            msg = f"interval_ms {self.interval_ms} must not be negative, max_silence_s {self.max_silence_s} above 0"
            raise ValueError(msg)
        report_rule(self.deadband, self.max_silence_s)
        signal_rule(self)


def signal_rule(row: TagRow) -> SignalRule | None:
    """What the row makes besides readings. Raises ValueError where its class and the other keys do not fit."""
    is_alarm = row.classification is Classification.ALARM
    if row.when and not is_alarm:
        msg = f'`when` says when a value is an alarm: it needs class = "ALARM", not {row.classification.value}'
        raise ValueError(msg)
    if row.classification is Classification.TELEMETRY:
        if row.severity or row.message:
            msg = 'severity and message are those of an event or alarm: class = "EVENT" or "ALARM" is missing'
            raise ValueError(msg)
        return None
    condition = parse_condition(row.when or "true") if is_alarm else None
    severity = row.severity or (Severity.MEDIUM if is_alarm else Severity.INFO)
    return SignalRule(condition=condition, severity=severity, message=row.message)


def rule_of(row: TagRow) -> ReportRule:
    """When a reading of the row is worth a record."""
    is_telemetry = row.classification is Classification.TELEMETRY
    return report_rule("any" if row.deadband is None and not is_telemetry else row.deadband, row.max_silence_s)


def report_rule(deadband: float | str | None, max_silence_s: float) -> ReportRule:
    """When a reading is worth a record. Raises ValueError where the deadband is none of 0.5, "1%", "any"."""
    if deadband is None:
        return EVERY_READING
    percent = False
    text = str(deadband).strip()
    if text == "any":
        text = "0"
    elif text.endswith("%"):
        percent, text = True, text[:-1]
    try:
        width = float(text)
    except ValueError:
        width = -1.0
    if not 0 <= width < math.inf:
        msg = f'deadband {deadband!r} is not understood: write a change such as 0.5, a share such as "1%", or "any"'
        raise ValueError(msg)
    return ReportRule(deadband=width, percent=percent, max_silence_seconds=max_silence_s)


def whole_divisor(scale: float) -> int:
    """The whole number that divides exactly as `scale` multiplies (0.1: 10), so that 234 reads 23.4; 0 = none."""
    divisor = round(1 / scale)
    return divisor if divisor and 1 / divisor == scale else 0
