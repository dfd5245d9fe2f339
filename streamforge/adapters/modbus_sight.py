"""Registers of a Modbus device as a probe shows them: each in every type and byte order, side by side.

A manual that is wrong or lost is no reason to guess: one look finds the order in which the values make sense.
"""

import math
import struct

from streamforge.adapters import probing
from streamforge.adapters.registers import Table
from streamforge.adapters.tags import Order

_SHORT = {Table.COIL: "CO", Table.DISCRETE_INPUT: "DI", Table.HOLDING_REGISTER: "HR", Table.INPUT_REGISTER: "IR"}
# Where the bytes A B C D of a value lie in its two registers.
_LETTERS = {Order.ABCD: (0, 1, 2, 3), Order.CDAB: (2, 3, 0, 1), Order.BADC: (1, 0, 3, 2), Order.DCBA: (3, 2, 1, 0)}
_DIGITS = 6
_LEAST, _MOST = 1e-6, 1e9
"""What a machine measures lies between these, or is 0."""

Values = dict[Table, dict[int, int]]
"""Table -> address, counted from 0 -> register or bit."""


def tables_of(found: dict[int, Values]) -> list[probing.Table]:
    """A table for each unit and table of registers that has any."""
    return [
        table_of(f"unit {unit}, {table.name.lower().replace('_', ' ')}s", table, values)
        for unit, by in found.items()
        for table, values in by.items()
        if values
    ]


def table_of(title: str, table: Table, values: dict[int, int]) -> probing.Table:
    """Registers in every type and order, or bits."""
    if table.is_bits:
        on = ((f"{_SHORT[table]}{at}", str(value)) for at, value in sorted(values.items()))
        return probing.Table(title=title, columns=("at", "bit"), rows=tuple(on))
    columns = (
        "at",
        "hex",
        "uint16",
        "int16",
        *(f"float32 {order}" for order in Order),
        "uint32 ABCD",
        "uint32 CDAB",
        "text",
    )
    return probing.Table(title=title, columns=columns, rows=tuple(_row(table, at, values) for at in sorted(values)))


def _row(table: Table, at: int, values: dict[int, int]) -> tuple[str, ...]:
    """One register alone, and with the one after it."""
    value = values[at]
    signed = value - 0x10000 if value >= 0x8000 else value
    pair = struct.pack(">HH", value, values[at + 1]) if at + 1 in values else b""
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in value.to_bytes(2, "big"))
    return (
        f"{_SHORT[table]}{at}", f"{value:04x}", str(value), str(signed),
        *(_float(pair, order) for order in Order), *(_whole(pair, order) for order in (Order.ABCD, Order.CDAB)), text,
    )  # fmt: skip


def _ordered(pair: bytes, order: Order) -> bytes:
    return bytes(pair[place] for place in _LETTERS[order])


def _float(pair: bytes, order: Order) -> str:
    """As people would write it; a dash where it is none, or none that a machine measures."""
    if not pair:
        return ""
    (value,) = struct.unpack(">f", _ordered(pair, order))
    is_sane = math.isfinite(value) and (value == 0 or _LEAST <= abs(value) < _MOST)
    return f"{value:.{_DIGITS}g}" if is_sane else "-"


def _whole(pair: bytes, order: Order) -> str:
    return str(int.from_bytes(_ordered(pair, order), "big")) if pair else ""


def toml_of(head: str, found: dict[int, Values]) -> str:
    """Every register found as uint16, to be renamed and typed; `head` says where."""
    lines = [head]
    for unit, by_table in found.items():
        rows = [(table, at) for table, values in by_table.items() for at in sorted(values)]
        if rows:
            tags = "\n".join(f"  {_tag(table, at)}," for table, at in rows)
            lines.append(f'[[devices]]\nasset_id = "unit_{unit}"\nunit_id = {unit}\ntags = [\n{tags}\n]')
    return "\n\n".join(lines) + "\n"


def _tag(table: Table, at: int) -> str:
    place = f"{_SHORT[table]}{at}"
    kind = "bool" if table.is_bits else "uint16"
    return f'{{ param = "{place.lower()}", at = "{place}", type = "{kind}" }}'
