"""The configuration of modbus-tcp: `modbus_tcp.toml` beside this module explains every key."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.modbus_points import Point, expand, expand_all
from streamforge.adapters.register_plan import AUTOMATIC_GAP_REGISTERS
from streamforge.adapters.tags import Order, TagRow
from streamforge.config import Bounds, TableFile

MODBUS_PORT = 502
AUTOMATIC = "auto"
Port = Annotated[int, Bounds(1, 65535)]
UnitId = Annotated[int, Bounds(0, 255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRow(TagRow):
    """A tag row whose `at` is a register (see `streamforge.adapters.registers`)."""

    def __post_init__(self) -> None:
        TagRow.__post_init__(self)
        if self.at:
            expand(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The device at the other end; `[[devices]]` may name others."""

    host: str = ""
    port: Port = MODBUS_PORT
    unit_id: UnitId = 1
    timeout_ms: Annotated[int, Bounds(10, 60_000)] = 1000
    max_gap: int | str = AUTOMATIC


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
class DeviceRow:
    """One unit; what it leaves out is taken from `[source]` and `poll_interval_ms`."""

    asset_id: str
    host: str = ""
    port: Port | None = None
    unit_id: UnitId | None = None
    timeout_ms: Annotated[int, Bounds(10, 60_000)] | None = None
    poll_interval_ms: Annotated[int, Bounds(10, 86_400_000)] | None = None
    max_gap: int | str | None = None
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
class ModbusTcpConfig(AdapterConfig):
    """adapters/modbus-tcp/<instance>.toml; `modbus_tcp.toml` beside this module explains every key."""

    source: Source = field(default_factory=Source)
    output: Output = field(default_factory=Output)
    mapping: Mapping = field(default_factory=Mapping)
    devices: tuple[DeviceRow, ...] = ()

    def __post_init__(self) -> None:
        if self.mapping.registers and not self.output.asset_id:
            msg = "[output] asset_id is missing: whose readings are those of [mapping.registers]?"
            raise ValueError(msg)
        rows = list(self.device_rows())
        if not rows:
            msg = "nothing to read: give [mapping.registers] with [output] asset_id, or [[devices]]"
            raise ValueError(msg)
        for row in rows:
            if not (row.host or self.source.host):
                msg = f"{row.asset_id}: no host: set it in [source] or in the device"
                raise ValueError(msg)
            gap_registers(row.max_gap if row.max_gap is not None else self.source.max_gap)
        _refuse_doubles(point for row in rows for point in points_of(row))

    def device_rows(self) -> Iterator[DeviceRow]:
        """Every unit, that of the short form first."""
        if self.mapping.registers:
            yield DeviceRow(asset_id=self.output.asset_id, tags=self.mapping.rows())
        yield from self.devices


def gap_registers(max_gap: int | str) -> int:
    """Registers between two wanted ones that are read along. Raises ValueError where it is no such number."""
    if max_gap == AUTOMATIC:
        return AUTOMATIC_GAP_REGISTERS
    if isinstance(max_gap, str) or max_gap < 0:
        msg = f'max_gap {max_gap!r} is not understood: write "auto" or a number of registers, 0 for none'
        raise ValueError(msg)
    return max_gap


def points_of(row: DeviceRow) -> list[Point]:
    """The points of a unit, each with its asset."""
    return [replace(p, asset_id=p.asset_id or row.asset_id) for p in expand_all(row.rows, row.order)]


def _refuse_doubles(points: Iterator[Point]) -> None:
    seen: set[tuple[str, str]] = set()
    for point in points:
        key = (point.asset_id, point.parameter)
        if key in seen:
            msg = f"{point.asset_id} has two parameters named {point.parameter!r}"
            raise ValueError(msg)
        seen.add(key)
