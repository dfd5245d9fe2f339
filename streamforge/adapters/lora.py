"""LoRa: LoRaWAN devices behind gateways with a packet forwarder (ABP), or messages of a modem on a serial port.

It only receives. Devices that join over the air (OTAA) and downlinks are a network server's work.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic

from streamforge.adapters.base import Batch, Device, Inbox, Refused, Subscriber
from streamforge.adapters.lora_config import SEMTECH_UDP, LoraConfig
from streamforge.adapters.lora_counters import SYNC_SECONDS, FrameCounters
from streamforge.adapters.lora_devices import Headers, LoraNode, LorawanNetwork
from streamforge.adapters.lora_modems import E22, Heard, Modem, Rak, Rn2483
from streamforge.adapters.radio_port import RadioPort
from streamforge.adapters.semtech_udp import PUSH_DATA, parse, receptions
from streamforge.adapters.udp_port import Address, UdpPort
from streamforge.adapters.virtual_modbus import host_and_port
from streamforge.clock import now_us
from streamforge.errors import NotConnected

QUIET_SECONDS = 1.0
ANSWER_SECONDS = 2.0
FIRST_CALL_SECONDS = 30.0


class Lora(Subscriber[LoraConfig]):
    """One instance: one address that gateways send to, or one modem."""

    Config = LoraConfig

    def __init__(self, config: LoraConfig) -> None:
        super().__init__(config)
        source = config.source
        self._nodes = tuple(LoraNode(row, config) for row in config.devices)
        self._devices = tuple(device for node in self._nodes for device in node.devices)
        self._counts: Counter[str] = Counter()
        self._gateways = {eui.lower() for eui in source.gateways}
        self._network = LorawanNetwork(self._nodes if source.transport == SEMTECH_UDP else ())
        self._headers = Headers(self._nodes)
        self._udp = UdpPort(*host_and_port(source.listen))
        self._serial = RadioPort(source.lora_port, source.baud_rate)
        self._modem = self._new_modem()
        self._counters: FrameCounters | None = None
        self._synced_seconds = 0.0
        self._last: LoraNode | None = None
        self._early: list[Heard] = []
        self._first: list[tuple[bytes, Address]] = []
        self._called_seconds = 0.0

    @property
    def peers(self) -> Sequence[str]:
        return (self.config.source.peer,)

    @property
    def devices(self) -> Sequence[Device]:
        return self._devices

    async def connect(self, peer: str) -> None:  # noqa: ARG002 - there is one
        if self.config.source.transport == SEMTECH_UDP:
            if self._counters is None and self.state_directory is not None:
                self._counters = FrameCounters(self.state_directory)
            self._network.open(self._counters)
            await self._udp.open()
            await self._hear_a_gateway()
        else:
            await self._serial.open()
            try:
                await self._greet()
            except NotConnected:
                self._serial.close()  # whoever looks for the reason may open it meanwhile
                raise

    async def listen(self, peer: str, inbox: Inbox) -> None:  # noqa: ARG002 - there is one
        if self.config.source.transport == SEMTECH_UDP:
            await self._listen_to_gateways(inbox)
        else:
            await self._listen_to_modem(inbox)

    async def close(self) -> None:
        self._udp.close()
        self._serial.close()
        if self._counters:
            with suppress(OSError):
                self._counters.close()

    def figures(self) -> Mapping[tuple[str, ...], float]:
        own = {
            **self._counts,
            **self._network.counts,
            "dropped_datagrams": self._udp.dropped,
            "modem_errors": self._modem.errors,
        }
        found: dict[tuple[str, ...], float] = {("", name): float(count) for name, count in own.items()}
        found |= {(asset_id, "lost_frames"): float(count) for asset_id, count in self._network.lost().items()}
        for node in self._nodes:
            found[node.row.asset_id, "messages"] = float(node.messages)
            if node.rssi_dbm is not None:
                found[node.row.asset_id, "rssi_dbm"] = node.rssi_dbm
        return found

    def _new_modem(self) -> Modem:
        source = self.config.source
        if source.modem == "e22":
            return E22(has_crc=source.framing == "length_crc")
        return Rak() if source.modem == "rak" else Rn2483()

    async def _hear_a_gateway(self) -> None:
        """An address that nobody sends to is no connection. Raises NotConnected where no gateway calls in time."""
        timeout_seconds = self.config.source.gateway_timeout_s
        until = monotonic() + min(timeout_seconds, FIRST_CALL_SECONDS)
        while timeout_seconds and not self._first:
            received = await self._udp.read(max(0.0, until - monotonic()))
            if received and self._is_of_gateway(received[0]):
                self._first.append(received)
            elif monotonic() >= until:
                raise NotConnected(f"{self.config.source.listen}: no gateway sends here")
        self._called_seconds = monotonic()

    def _is_of_gateway(self, raw: bytes) -> bool:
        try:
            return parse(raw).gateway in self._gateways
        except ValueError:
            return False

    async def _listen_to_gateways(self, inbox: Inbox) -> None:
        received = self._first.pop() if self._first else await self._udp.read(QUIET_SECONDS)
        await self._sync()
        if received:
            self._take_datagram(*received, inbox)
        silent_seconds = monotonic() - self._called_seconds
        if 0.0 < self.config.source.gateway_timeout_s < silent_seconds:
            raise NotConnected(f"{self.config.source.listen}: no gateway has called for {silent_seconds:.0f} s")

    async def _sync(self) -> None:
        """Counters to the disk, now and then. A disk that does not take them is counted: it must not cost readings."""
        if self._counters is None or monotonic() - self._synced_seconds < SYNC_SECONDS:
            return
        self._synced_seconds = monotonic()
        try:
            await asyncio.to_thread(self._counters.sync)
        except OSError:
            self._counts["counters_not_saved"] += 1

    def _take_datagram(self, raw: bytes, sender: Address, inbox: Inbox) -> None:
        try:
            datagram = parse(raw)
            if datagram.gateway not in self._gateways:
                self._counts["datagrams_of_unknown_gateways"] += 1
                return
            self._called_seconds = monotonic()
            if datagram.acknowledgement:
                self._udp.write(datagram.acknowledgement, sender)
            found, others = receptions(datagram.body) if datagram.kind == PUSH_DATA else ([], 0)
        except ValueError:
            self._counts["malformed_datagrams"] += 1
            return
        self._counts["receptions"] += len(found)
        self._counts["unreadable_receptions"] += others
        for heard in found:
            try:
                _offer(inbox, self._network.take(heard, monotonic(), now_us()))
            except ValueError as error:
                self._refuse(inbox, heard.phy, str(error))

    async def _greet(self) -> None:
        """Say what the modem must hear before it receives; each is answered by a line, whatever that says."""
        self._modem = self._new_modem()
        self._early = []
        commands = [f"{command}\r\n".encode() for command in self.config.source.commands]
        for command in (*commands, *self._modem.greeting):
            self._serial.write(command)
            answer = b""
            while b"\n" not in answer:
                chunk = await self._serial.read(ANSWER_SECONDS)
                if not chunk:
                    path, word = self.config.source.lora_port, command.decode().strip()
                    raise NotConnected(f"{path}: the modem does not answer {word!r}")
                self._early += self._modem.feed(chunk)
                answer += chunk

    async def _listen_to_modem(self, inbox: Inbox) -> None:
        chunk = b"" if self._early else await self._serial.read(QUIET_SECONDS)
        found, self._early = self._early, []
        if chunk:
            found += self._modem.feed(chunk)
        elif not found:
            found = self._modem.idle()
        for heard in found:
            self._take_heard(heard, inbox)
        for reply in self._modem.replies():
            self._serial.write(reply)

    def _take_heard(self, heard: Heard, inbox: Inbox) -> None:
        fields = {name: value for name, value in (("RSSI", heard.rssi_dbm), ("SNR", heard.snr_db)) if value is not None}
        payload, node = heard.payload, self._last
        if payload is not None:
            found = self._headers.find(payload)
            node, rest = found or (None, payload)
            self._last, payload = node, rest
            self._counts["messages_of_unknown_devices"] += node is None
        if node is None:
            return
        try:
            _offer(inbox, node.read(0, payload, fields, now_us()))
        except ValueError as error:
            self._refuse(inbox, heard.payload or b"", str(error))

    def _refuse(self, inbox: Inbox, payload: bytes, reason: str) -> None:
        self._counts["malformed_messages"] += 1
        inbox.refuse(Refused(where=self.config.source.peer, payload=payload, reason=reason))


def _offer(inbox: Inbox, batches: Iterable[Batch]) -> None:
    for batch in batches:
        inbox.offer(batch)
