"""Modbus RTU: many devices on one serial line, one process a line. Reads only."""

from collections.abc import Sequence

from streamforge.adapters.modbus_link import LineTiming, Link
from streamforge.adapters.modbus_poller import ModbusPoller
from streamforge.adapters.modbus_rtu_config import LineSource, ModbusRtuConfig
from streamforge.adapters.modbus_rtu_framing import RtuFraming
from streamforge.adapters.register_plan import automatic_gap
from streamforge.adapters.serial_port import SerialPort

DEVICE_SECONDS = 0.010  # how long devices usually think before they answer
REQUEST_CHARACTERS = 13  # a request, and what stands around the registers of its answer
REGISTER_CHARACTERS = 2


class ModbusRtu(ModbusPoller[ModbusRtuConfig]):
    """One instance: all its units on one line."""

    Config = ModbusRtuConfig

    def __init__(self, config: ModbusRtuConfig) -> None:
        super().__init__(config)
        line = config.source
        timing = LineTiming(character_seconds=line.character_seconds, quiet_seconds=line.quiet_seconds)
        self._link = Link(SerialPort(line), RtuFraming(), timing=timing, is_silence_loss=False)
        for row in config.rows():
            source = line.of(row)
            self._link.serve(source.unit_id)
            self._add_unit(row, source, self._link, gap_of(line))

    @property
    def links(self) -> Sequence[Link]:
        return (self._link,)


def gap_of(line: LineSource) -> int:
    """Registers of a gap that pass over this line in the time that another request takes."""
    request_seconds = REQUEST_CHARACTERS * line.character_seconds + 2 * line.quiet_seconds + DEVICE_SECONDS
    return automatic_gap(request_seconds, REGISTER_CHARACTERS * line.character_seconds)
