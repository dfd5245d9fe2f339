"""What is done to raw numbers: scales, sentinels, NaN, longs that no double holds; only where a point asks for it."""

from collections.abc import Callable, Sequence
from math import isfinite, nan
from struct import Struct

from streamforge.adapters.modbus_points import Point
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.tags import DataType, whole_divisor
from streamforge.model import Quality

EXACT_DOUBLE = 2**53
FIRST_TEXT_ULONG = 2**63
INVALID = "invalid"
NOT_FINITE = "not_a_number"

FORMATS = {
    DataType.INT8: "b", DataType.UINT8: "B", DataType.INT16: "h", DataType.UINT16: "H", DataType.INT32: "i",
    DataType.UINT32: "I", DataType.INT64: "q", DataType.UINT64: "Q", DataType.FLOAT16: "e", DataType.FLOAT32: "f",
    DataType.FLOAT64: "d", DataType.BCD16: "H", DataType.BCD32: "I", DataType.UNIXTIME32: "I", DataType.BOOL: "H",
    DataType.BIT: "H",
}  # fmt: skip
_FLOATS = {DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64}
_WIDE = {DataType.INT64, DataType.UINT64}


class Scales:
    """`raw * scale + offset` for the points that have one; 0.1 divides by 10, so that 234 reads 23.4."""

    def __init__(self, points: Sequence[Point]) -> None:
        scaled = [(index, p.scale, whole_divisor(p.scale), p.offset) for index, p in enumerate(points) if p.is_scaled]
        self._divided = [(index, divisor, offset) for index, _, divisor, offset in scaled if divisor]
        self._multiplied = [(index, scale, offset) for index, scale, divisor, offset in scaled if not divisor]
        self.any = bool(scaled)

    def apply(self, values: list[float], first: int) -> None:
        """In place, for the readings from `first` on; NaN stays NaN."""
        for index, divisor, offset in self._divided:
            values[first + index] = values[first + index] / divisor + offset
        for index, scale, offset in self._multiplied:
            values[first + index] = values[first + index] * scale + offset


Check = Callable[[Scan, int], None]


def checks_of(points: Sequence[Point]) -> list[Check]:
    """What may spoil raw numbers of these points: sentinels, no finite number, longs that no double holds."""
    checks: list[Check] = []
    sentinels = sentinels_of(points)
    if sentinels:
        checks.append(_check_sentinels(sentinels))
    floats = [index for index, point in enumerate(points) if point.type in _FLOATS]
    if floats:
        checks.append(_check_finite(floats, len(points)))
    wide = [index for index, point in enumerate(points) if point.type in _WIDE and not point.is_scaled]
    if wide:
        checks.append(_check_wide(wide))
    return checks


def sentinels_of(points: Sequence[Point]) -> dict[int, frozenset[float]]:
    """Raw values that mean "no reading", as the point's own type shows them (0x8000 of an int16 is -32768)."""
    return {i: frozenset(_as_raw(point.type, value) for value in point.invalid)
            for i, point in enumerate(points) if point.invalid}  # fmt: skip


def _as_raw(kind: DataType, value: float) -> float:
    letter = FORMATS[kind]
    form = Struct(">" + letter)
    if letter in "bhiq" and value >= 1 << form.size * 8 - 1:
        return value - (1 << form.size * 8)
    return float(form.unpack(form.pack(value))[0]) if letter in "ef" else value


def _check_sentinels(sentinels: dict[int, frozenset[float]]) -> Check:
    def check(scan: Scan, first: int) -> None:
        for index, invalid in sentinels.items():
            if scan.values[first + index] in invalid:
                scan.spoil(first + index, Quality.BAD, INVALID)

    return check


def _check_finite(floats: Sequence[int], count: int) -> Check:
    def check(scan: Scan, first: int) -> None:
        if isfinite(sum(scan.values[first : first + count])):
            return
        for index in floats:
            if not isfinite(scan.values[first + index]) and first + index not in scan.faults:
                scan.spoil(first + index, Quality.BAD, NOT_FINITE)

    return check


def _check_wide(wide: Sequence[int]) -> Check:
    def check(scan: Scan, first: int) -> None:
        for index in wide:
            value = scan.values[first + index]
            if not -EXACT_DOUBLE <= value <= EXACT_DOUBLE and value == value:  # noqa: PLR0124 - not a NaN put there before
                scan.others[first + index] = str(value) if value >= FIRST_TEXT_ULONG else int(value)
                scan.values[first + index] = nan

    return check
