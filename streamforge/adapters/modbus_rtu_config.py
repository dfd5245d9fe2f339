"""The configuration of modbus-rtu: `modbus_rtu.toml` beside this module explains every key."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.modbus_config import (
    Mapping,
    Output,
    PauseMs,
    UnitRow,
    UnitSource,
    check_short_form,
    check_units,
)
from streamforge.adapters.serial_port import SerialSettings

QUIET_CHARACTERS = 3.5
# Above this rate the specification fixes the silence, for interrupts of slow devices could not keep up with it.
FIXED_ABOVE_BAUD, FIXED_QUIET_SECONDS = 19_200, 0.00175


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSource(UnitSource, SerialSettings):
    """The line, and how its units are asked."""

    turnaround_ms: PauseMs = 0

    @property
    def quiet_seconds(self) -> float:
        """The silence before a request: t3.5, and what the line's drivers need to turn round."""
        is_fixed = self.baud_rate > FIXED_ABOVE_BAUD
        quiet = FIXED_QUIET_SECONDS if is_fixed else QUIET_CHARACTERS * self.character_seconds
        return quiet + self.turnaround_ms / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusRtuConfig(AdapterConfig):
    """adapters/modbus-rtu/<instance>.toml; `modbus_rtu.toml` beside this module explains every key."""

    source: LineSource = field(default_factory=LineSource)
    output: Output = field(default_factory=Output)
    mapping: Mapping = field(default_factory=Mapping)
    devices: tuple[UnitRow, ...] = ()

    def __post_init__(self) -> None:
        check_short_form(self.mapping, self.output)
        check_units(self.mapping, self.devices, self.rows(), self.source)
        if not self.source.port:
            msg = "[source] port is missing: the line, for example /dev/serial/by-id/usb-FTDI_RS485"
            raise ValueError(msg)
        for row in self.rows():
            if self.source.of(row).unit_id == 0:
                msg = f"{row.asset_id}: unit_id 0 is the broadcast of a serial line, which nobody answers"
                raise ValueError(msg)
        units = {self.source.of(row).unit_id for row in self.rows()}
        if len(units) > 1 and not all(self.source.of(row).unit_check for row in self.rows()):
            msg = "unit_check = false on a line of several units: each could be taken for another"
            raise ValueError(msg)

    def rows(self) -> Iterator[UnitRow]:
        """Every unit, that of the short form first."""
        if self.mapping.registers:
            yield UnitRow(asset_id=self.output.asset_id, tags=self.mapping.rows())
        yield from self.devices
