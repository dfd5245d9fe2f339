"""What a simulated device shows on Modbus: its points, and its four tables as bytes."""

import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from streamforge.adapters.registers import Table, parse_address

Value = float | int | bool | str
Values = Mapping[str, Value]

FORMATS = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "float32": "f", "float64": "d"}
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One value and where it stands; the register holds value / scale."""

    name: str
    at: str
    type: str
    scale: float = 1.0


def shown(name: str, at: str, type_: str = "uint16", scale: float = 1.0) -> Shown:
    """A row of an asset's table, without the words."""
    return Shown(name=name, at=at, type=type_, scale=scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One simulated machine: `values(t, booted_at, seed)`; `word_order` of what takes more than one register."""

    asset_id: str
    unit_id: int
    points: Sequence[Shown]
    values: Callable[[float, float, int], Values]
    is_word_swapped: bool = False


class Image:
    """The four tables of one asset, filled with one set of values."""

    def __init__(self, asset: Asset) -> None:
        self._asset = asset
        self._places = [(point, parse_address(point.at)) for point in asset.points]
        self._sizes = dict.fromkeys(Table, 0)
        for point, address in self._places:
            width = address.count or max(1, struct.calcsize(FORMATS.get(point.type, "H")) // 2)
            self._sizes[address.table] = max(self._sizes[address.table], address.start + width)
        self._registers: dict[Table, bytearray] = {}
        self._bits: dict[Table, int] = {}

    def fill(self, values: Values) -> None:
        """Take over new values, named as the points; whole numbers wrap as a machine's counters do."""
        self._registers = {table: bytearray(2 * size) for table, size in self._sizes.items() if not table.is_bits}
        self._bits = {table: 0 for table in self._sizes if table.is_bits}
        for point, address in self._places:
            value = values[point.name]
            if address.table.is_bits:
                self._bits[address.table] |= bool(value) << address.start
            elif address.bit is not None:
                self._set_bit(self._registers[address.table], address.start, address.bit, is_on=bool(value))
            elif address.part:
                place = 2 * address.start + (address.part == "lo")
                self._registers[address.table][place] = int(value) & 0xFF
            else:
                data = self._encoded(point, address.count, value)
                self._registers[address.table][2 * address.start : 2 * address.start + len(data)] = data

    def read(self, function: int, start: int, count: int) -> bytes | int:
        """The data bytes of an answer, or the exception code of one; strict about the end of each table."""
        if function not in set(Table):
            return ILLEGAL_FUNCTION
        table = Table(function)
        if not count or start + count > self._sizes[table]:
            return ILLEGAL_ADDRESS
        if table.is_bits:
            bits = self._bits[table] >> start & (1 << count) - 1
            return bits.to_bytes((count + 7) // 8, "little")
        return bytes(self._registers[table][2 * start : 2 * (start + count)])

    def _encoded(self, point: Shown, count: int, value: Value) -> bytes:
        if isinstance(value, str):
            return value.encode().ljust(2 * count, b"\0")[: 2 * count]
        form = FORMATS[point.type]
        if form in "fd":
            data = struct.pack(f">{form}", value)
        else:
            size = struct.calcsize(form)
            data = (round(value / point.scale) & (1 << 8 * size) - 1).to_bytes(size, "big")
        return _swap_words(data) if self._asset.is_word_swapped else data

    @staticmethod
    def _set_bit(registers: bytearray, start: int, bit: int, *, is_on: bool) -> None:
        registers[2 * start + (bit < 8)] |= is_on << bit % 8


def _swap_words(data: bytes) -> bytes:
    words = array("H", data)
    words.reverse()
    return words.tobytes()
