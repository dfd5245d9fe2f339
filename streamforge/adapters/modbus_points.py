"""Tag rows of Modbus made exact: every row becomes one point, or one point an element where it names an array."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from streamforge.adapters.base import ReportRule, SignalRule
from streamforge.adapters.registers import ADDRESSES, Address, Table, parse_address
from streamforge.adapters.tags import DataType, Order, TagRow, rule_of, signal_rule
from streamforge.model import Kind

MOST_REGISTERS = 125
_WIDTHS = {
    DataType.INT32: 2, DataType.UINT32: 2, DataType.FLOAT32: 2, DataType.BCD32: 2, DataType.UNIXTIME32: 2,
    DataType.INT64: 4, DataType.UINT64: 4, DataType.FLOAT64: 4,
}  # fmt: skip
_FLOATS = {DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64}
_BYTES = {DataType.INT8, DataType.UINT8}
_UNSCALED = {DataType.BOOL, DataType.BIT, DataType.STRING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One reading of one scan: `width` registers (or bits) of `table` from `start`, counted from 0."""

    parameter: str
    unit: str
    table: Table
    start: int
    width: int
    type: DataType
    order: Order
    bit: int | None
    part: str
    scale: float
    offset: float
    invalid: tuple[float, ...]
    rule: ReportRule
    signal: SignalRule | None
    interval_ms: int
    asset_id: str

    @property
    def end(self) -> int:
        """The first address after this point."""
        return self.start + self.width

    @property
    def is_scaled(self) -> bool:
        """The reading is not the raw value."""
        return self.scale != 1.0 or self.offset != 0.0

    @property
    def kind(self) -> Kind:
        """What the reading is on the log."""
        if self.type in {DataType.BOOL, DataType.BIT}:
            return Kind.BOOLEAN
        if self.type == DataType.STRING:
            return Kind.STRING
        if self.type in _FLOATS or self.is_scaled:
            return Kind.DOUBLE
        return Kind.ULONG if self.type == DataType.UINT64 else Kind.LONG


def expand(row: TagRow, order: Order = Order.ABCD) -> list[Point]:
    """The points of one row; `order` is the device's. Raises ValueError that says what to write instead."""
    address = parse_address(row.at)
    kind = _type(row, address)
    width = _width(kind, address)
    count = 1 if kind == DataType.STRING else max(1, address.count // width)
    if address.start + width * count > ADDRESSES:
        msg = f"{row.at} as {kind}: {width * count} registers from there pass the end of the table"
        raise ValueError(msg)
    first = _point(row, address, kind, width, row.order or order)
    if not address.count or kind == DataType.STRING:
        return [first]
    return [
        replace(first, parameter=f"{row.param}_{index}", start=first.start + width * index) for index in range(count)
    ]


def expand_all(rows: Iterable[TagRow], order: Order) -> list[Point]:
    """The points of all rows of one device."""
    return [point for row in rows for point in expand(row, order)]


def _point(row: TagRow, address: Address, kind: DataType, width: int, order: Order) -> Point:
    return Point(
        parameter=row.param,
        unit=row.unit,
        table=address.table,
        start=address.start,
        width=width,
        type=kind,
        order=order,
        bit=address.bit,
        part=address.part,
        scale=row.scale,
        offset=row.offset,
        invalid=_tuple(row.invalid),
        rule=rule_of(row),
        signal=signal_rule(row),
        interval_ms=row.interval_ms,
        asset_id=row.asset_id,
    )


def _type(row: TagRow, address: Address) -> DataType:
    """The row's type, or what the address alone says; raises ValueError where the two do not fit."""
    kind = row.type or _type_of_address(row, address)
    problem = _misfit(kind, address)
    problem = problem or _misfit_invalid(kind, _tuple(row.invalid))
    if not problem and kind in _UNSCALED and (row.scale != 1.0 or row.offset != 0.0):
        problem = "is not a number, so it has neither scale nor offset"
    if problem:
        msg = f"{row.at} as {kind}: {problem}"
        raise ValueError(msg)
    return kind


def _type_of_address(row: TagRow, address: Address) -> DataType:
    if address.table.is_bits:
        return DataType.BOOL
    if address.bit is not None:
        return DataType.BIT
    if address.part:
        return DataType.UINT8
    if address.count:
        msg = f'{row.at} is a range: say type = "string", or the type of its elements'
        raise ValueError(msg)
    return DataType.UINT16


def _misfit(kind: DataType, address: Address) -> str:
    if address.table.is_bits:
        return "" if kind == DataType.BOOL else 'coils and discrete inputs are single bits: type = "bool"'
    if kind == DataType.BIT and address.bit is None:
        return "which bit? write for example 40010.3 (bit 0 is the least significant)"
    if address.bit is not None and (kind not in {DataType.BIT, DataType.BOOL} or address.count):
        return 'a bit of one register is type = "bit"'
    if kind in _BYTES and not address.part:
        return "which byte? write for example HR7.hi or HR7.lo"
    if address.part and kind not in _BYTES | {DataType.STRING}:
        return 'a byte of a register is type = "int8" or "uint8" (or a "string" of one character a register)'
    return _misfit_count(kind, address)


def _misfit_count(kind: DataType, address: Address) -> str:
    if kind == DataType.STRING:
        fits = 1 <= address.count <= MOST_REGISTERS
        return "" if fits else f"say how many registers it takes, 1 to {MOST_REGISTERS}, for example HR100:8"
    width = _WIDTHS.get(kind, 1)
    if address.count % width:
        return f"each takes {width} registers, and {address.count} is no multiple of that"
    return ""


def _misfit_invalid(kind: DataType, invalid: tuple[float, ...]) -> str:
    """Sentinels of whole numbers are raw values, written signed or as the registers show them (0x8000)."""
    if not invalid or kind in _FLOATS:
        return ""
    if kind in _UNSCALED:
        return "is not a number, so it has no invalid values"
    bits = 8 if kind in _BYTES else 16 * _WIDTHS.get(kind, 1)
    wrong = [value for value in invalid if value != round(value) or not -(1 << bits - 1) <= value < 1 << bits]
    return f"invalid {wrong[0]} is no value of {bits} bits" if wrong else ""


def _tuple(invalid: tuple[float, ...] | float) -> tuple[float, ...]:
    return invalid if isinstance(invalid, tuple) else (invalid,)


def _width(kind: DataType, address: Address) -> int:
    return address.count if kind == DataType.STRING else _WIDTHS.get(kind, 1)
