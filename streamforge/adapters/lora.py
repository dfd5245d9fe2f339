"""LoRa: LoRaWAN devices behind gateways with a packet forwarder (ABP) or at a network server; modems, point to point.

It only receives. Devices that join over the air (OTAA) and downlinks are a network server's work.
"""

from collections.abc import Mapping, Sequence

from streamforge.adapters.base import Device, Inbox, Subscriber
from streamforge.adapters.lora_config import SEMTECH_UDP, LoraConfig
from streamforge.adapters.lora_devices import LoraNode
from streamforge.adapters.lora_gateways import Gateways
from streamforge.adapters.lora_serial import SerialModem
from streamforge.adapters.lora_transport import Transport


class Lora(Subscriber[LoraConfig]):
    """One instance: one address that gateways send to, one modem, or one network server."""

    Config = LoraConfig

    def __init__(self, config: LoraConfig) -> None:
        super().__init__(config)
        self._nodes = tuple(LoraNode(row, config) for row in config.devices)
        self._devices = tuple(device for node in self._nodes for device in node.devices)
        self._transport = _transport_of(config, self._nodes)
        self.can_wait = self._transport.can_wait

    @property
    def peers(self) -> Sequence[str]:
        return (self.config.peer,)

    @property
    def devices(self) -> Sequence[Device]:
        return self._devices

    async def connect(self, peer: str) -> None:  # noqa: ARG002 - there is one
        await self._transport.open(self.state_directory)

    async def listen(self, peer: str, inbox: Inbox) -> None:  # noqa: ARG002 - there is one
        await self._transport.listen(inbox)

    async def close(self) -> None:
        self._transport.close()

    def remarks(self) -> Sequence[str]:
        return self._transport.remarks()

    def details(self) -> Mapping[str, object]:
        return self._transport.details()

    def figures(self) -> Mapping[tuple[str, ...], float]:
        found = dict(self._transport.figures())
        for node in self._nodes:
            found[node.row.asset_id, "messages"] = float(node.messages)
            if node.rssi_dbm is not None:
                found[node.row.asset_id, "rssi_dbm"] = node.rssi_dbm
        return found


def _transport_of(config: LoraConfig, nodes: Sequence[LoraNode]) -> Transport:
    if config.mqtt is not None and config.source.is_server:
        from streamforge.adapters.lora_server import NetworkServer  # a client library that the others do not need

        return NetworkServer(config.source, config.mqtt, nodes)
    is_udp = config.source.transport == SEMTECH_UDP
    return Gateways(config.source, nodes) if is_udp else SerialModem(config.source, nodes)
