"""Modbus TCP: PLCs, meters, drives, and serial devices behind a Modbus gateway. Reads only.

Units behind one host and port share one connection, one request at a time, each in its turn.
"""

from collections.abc import Sequence

from streamforge.adapters.base import Device
from streamforge.adapters.byte_stream import TcpStream
from streamforge.adapters.modbus_framing import Framing, MbapFraming
from streamforge.adapters.modbus_link import Link
from streamforge.adapters.modbus_points import MOST_REGISTERS
from streamforge.adapters.modbus_poller import ModbusPoller
from streamforge.adapters.modbus_rtu_framing import RtuFraming
from streamforge.adapters.modbus_tcp_config import Endpoint, Framer, ModbusTcpConfig
from streamforge.adapters.register_plan import LEAST_AUTOMATIC_GAP, automatic_gap

# What one more register costs a device that answers over a network: a guess on the dear side, for it also may be one
# that the device refuses.
REGISTER_SECONDS = 0.00002
_FRAMINGS: dict[Framer, type[Framing]] = {Framer.SOCKET: MbapFraming, Framer.RTU: RtuFraming}


class ModbusTcp(ModbusPoller[ModbusTcpConfig]):
    """One instance: all its units on as many connections as there are hosts."""

    Config = ModbusTcpConfig

    def __init__(self, config: ModbusTcpConfig) -> None:
        super().__init__(config)
        self._links: dict[Endpoint, Link] = {}
        self._measured: set[Link] = set()
        for row in config.rows():
            endpoint, source = config.endpoint(row), config.source.of(row)
            if endpoint not in self._links:
                self._links[endpoint] = _link(endpoint)
            link = self._links[endpoint]
            link.serve(source.unit_id, config.connect_pause_seconds(row))
            self._add_unit(row, source, link, LEAST_AUTOMATIC_GAP)

    @property
    def links(self) -> Sequence[Link]:
        return tuple(self._links.values())

    async def connect(self, device: Device) -> None:
        await super().connect(device)
        self._plan_for(self._jobs[device.key].unit.link)

    def _plan_for(self, link: Link) -> None:
        """The longer the way, the wider the gaps that are worth reading. Measured once: plans stay."""
        if link in self._measured:
            return
        self._measured.add(link)
        gap = min(automatic_gap(link.round_trip_seconds, REGISTER_SECONDS), MOST_REGISTERS)
        if gap <= LEAST_AUTOMATIC_GAP:
            return
        for job in self._jobs.values():
            if job.unit.link is link:
                job.reader.replan(job.source.budget(gap))


def _link(endpoint: Endpoint) -> Link:
    return Link(TcpStream(endpoint.host, endpoint.port), _FRAMINGS[endpoint.framer]())
