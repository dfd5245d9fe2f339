"""What the configurations of modbus-tcp and modbus-rtu share: rows, units and how a unit is asked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from streamforge.adapters.doubles import Place, placed, refuse_doubles
from streamforge.adapters.modbus_points import MOST_REGISTERS, Point, expand, expand_all
from streamforge.adapters.register_plan import MOST_BITS, Budget
from streamforge.adapters.tags import Order, TagRow
from streamforge.config import Bounds, TableFile, of_key

AUTOMATIC = "auto"
UnitId = Annotated[int, Bounds(0, 255)]
TimeoutMs = Annotated[int, Bounds(10, 60_000)]
PauseMs = Annotated[int, Bounds(0, 60_000)]
Retries = Annotated[int, Bounds(0, 10)]
MaxRegisters = Annotated[int, Bounds(1, MOST_REGISTERS)]
MaxBits = Annotated[int, Bounds(1, MOST_BITS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRow(TagRow):
    """A tag row whose `at` is a register (see `streamforge.adapters.registers`)."""

    def __post_init__(self) -> None:
        TagRow.__post_init__(self)
        if self.at:
            with of_key("at"):
                expand(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Whose readings these are."""

    asset_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """The short form: address -> row, for the unit of `[source]`."""

    registers: dict[str, RegisterRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows()

    def rows(self) -> tuple[RegisterRow, ...]:
        """The rows, each with its key as `at`. Raises ValueError naming the row that is wrong."""
        for key, row in self.registers.items():
            if row.at:
                msg = f"{key}: the key is the address already, so the row has no `at`"
                raise ValueError(msg)
        return tuple(replace(row, at=key) for key, row in self.registers.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """One unit; what it leaves out is taken from `[source]` and `poll_interval_ms`."""

    asset_id: str
    unit_id: UnitId | None = None
    timeout_ms: TimeoutMs | None = None
    retries: Retries | None = None
    pause_ms: PauseMs | None = None
    unit_check: bool | None = None
    poll_interval_ms: Annotated[int, Bounds(10, 86_400_000)] | None = None
    max_gap: int | str | None = None
    max_registers: MaxRegisters | None = None
    max_bits: MaxBits | None = None
    single_reads: tuple[str, ...] | None = None
    order: Order = Order.ABCD
    tags: tuple[RegisterRow, ...] = ()
    tags_csv: Annotated[tuple[RegisterRow, ...], TableFile()] = ()

    def __post_init__(self) -> None:
        if not self.asset_id or not self.rows:
            msg = "a device needs an asset_id and at least one row in tags or tags_csv"
            raise ValueError(msg)
        for row in self.rows:
            if not row.at:
                msg = f"{row.param}: `at` is missing: the register to read, for example 40001 or HR0"
                raise ValueError(msg)

    @property
    def rows(self) -> tuple[RegisterRow, ...]:
        """Those of the file itself, then those of the table beside it."""
        return self.tags + self.tags_csv


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSource:
    """How a unit is asked; `[[devices]]` may say otherwise for one."""

    unit_id: UnitId = 1
    timeout_ms: TimeoutMs = 1000
    retries: Retries = 0
    pause_ms: PauseMs = 0
    unit_check: bool = True
    max_gap: int | str = AUTOMATIC
    max_registers: MaxRegisters = MOST_REGISTERS
    max_bits: MaxBits = MOST_BITS
    single_reads: tuple[str, ...] = ()

    def of(self, row: UnitRow) -> "UnitSource":
        """How this one is asked."""
        own = {name: getattr(row, name) for name in UnitSource.__dataclass_fields__}
        return UnitSource(**{name: getattr(self, name) if value is None else value for name, value in own.items()})

    def budget(self, automatic_gap: int) -> Budget:
        """What one request may read. Raises ValueError where `max_gap` is no number and not "auto"."""
        return Budget(
            gap_registers=automatic_gap if self.max_gap == AUTOMATIC else _gap(self.max_gap),
            most_registers=self.max_registers,
            most_bits=self.max_bits,
            single_reads=self.single_reads,
        )


def _gap(max_gap: int | str) -> int:
    if isinstance(max_gap, str) or max_gap < 0:
        msg = f'max_gap {max_gap!r} is not understood: write "auto" or a number of registers, 0 for none'
        raise ValueError(msg)
    return max_gap


def check_units(mapping: Mapping, devices: Sequence[UnitRow], rows: Iterable[UnitRow], source: UnitSource) -> None:
    """`rows` is every unit, that of `mapping` first. Raises ValueError that says what is wrong with them together."""
    rows = list(rows)
    if not rows:
        msg = "nothing to read: give [mapping.registers] with [output] asset_id, or [[devices]]"
        raise ValueError(msg)
    points = [(row, points_of(row)) for row in rows]
    for row, own in points:
        source.of(row).budget(0)
        _check_single_reads(row.single_reads or (), own, row.asset_id)
    _check_single_reads(source.single_reads, [point for _, own in points for point in own], "[source]")
    short = [(("mapping", "registers", row.at), rows[0], row) for row in mapping.rows()]
    refuse_doubles(
        (place, point.asset_id or unit.asset_id, point.parameter)
        for place, unit, row in [*short, *_of_devices(devices)]
        for point in expand(row)
    )


def _of_devices(devices: Sequence[UnitRow]) -> Iterator[tuple[Place, UnitRow, TagRow]]:
    for number, unit in enumerate(devices):
        for place, row in placed(unit.tags, unit.tags_csv):
            yield ("devices", number, *place), unit, row


def _check_single_reads(patterns: Iterable[str], points: Iterable[Point], whose: str) -> None:
    points = list(points)
    for pattern in patterns:
        if not any(Budget(single_reads=(pattern,)).is_single(point) for point in points):
            msg = f"{whose}: single_reads: no parameter is named {pattern!r}"
            raise ValueError(msg)


def check_short_form(mapping: Mapping, output: Output) -> None:
    """Raises ValueError where [mapping.registers] stands without the asset it belongs to."""
    if mapping.registers and not output.asset_id:
        msg = "[output] asset_id is missing: whose readings are those of [mapping.registers]?"
        raise ValueError(msg)


def points_of(row: UnitRow) -> list[Point]:
    """The points of a unit, each with its asset."""
    return [replace(p, asset_id=p.asset_id or row.asset_id) for p in expand_all(row.rows, row.order)]
