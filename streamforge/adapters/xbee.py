"""XBee: nodes of a Digi radio network behind one module on a serial port. Asks, and sets nothing.

What nodes send is read in the order in which it came. The module itself is asked for its API mode, for names of nodes
(ND) that the configuration uses, and how strong it heard a node (DB); none of these changes anything.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from time import monotonic

from streamforge.adapters.base import Batch, Device, Inbox, Refused, Subscriber
from streamforge.adapters.virtual_modbus import VirtualModbus
from streamforge.adapters.xbee_config import XbeeConfig
from streamforge.adapters.xbee_line import XbeeLine
from streamforge.adapters.xbee_nodes import NodeTable, XbeeNode, devices_of
from streamforge.adapters.xbee_packets import Answer, Data, Node, Packet, Sample, Status, discovered, parse
from streamforge.clock import now_us

ASK_NAMES_SECONDS = 60.0
ASK_SIGNAL_SECONDS = 2.0
_DB, _ND = 2, 3


class Xbee(Subscriber[XbeeConfig]):
    """One instance: one module with its nodes."""

    Config = XbeeConfig

    def __init__(self, config: XbeeConfig) -> None:
        super().__init__(config)
        source = config.source
        self._path = source.xbee_port
        self._line = XbeeLine(source.xbee_port, source.baud_rate, source.api_mode)
        self._table = NodeTable(config)
        self._devices = devices_of(self._table.nodes)
        self._server = self._virtual_modbus(config.virtual_modbus.listen)
        self._counts: Counter[str] = Counter()
        self._names_seconds = self._signal_seconds = -inf
        self._signal_of: XbeeNode | None = None
        self._last_heard: XbeeNode | None = None

    @property
    def peers(self) -> Sequence[str]:
        return (self._path,)

    @property
    def devices(self) -> Sequence[Device]:
        return self._devices

    async def connect(self, peer: str) -> None:  # noqa: ARG002 - there is one
        if self._server:
            await self._server.keep_open()
        self._names_seconds = -inf
        await self._line.open()

    async def listen(self, peer: str, inbox: Inbox) -> None:  # noqa: ARG002 - there is one
        if self._table.unresolved and monotonic() - self._names_seconds >= ASK_NAMES_SECONDS:
            self._names_seconds = monotonic()
            self._line.ask("ND", _ND)
        if self._server:
            await self._server.keep_open()
        self._last_heard = None
        for body in await self._line.read():
            self._take(body, inbox)
        if self._last_heard:
            self._ask_signal(self._last_heard)

    async def close(self) -> None:
        self._line.close()
        if self._server:
            await self._server.close()

    def remarks(self) -> Sequence[str]:
        return (self._server.fault,) if self._server and self._server.fault else ()

    def figures(self) -> Mapping[tuple[str, ...], float]:
        reader, nodes = self._line.reader, self._table.nodes
        own = {
            "frames": reader.frames,
            "checksum_errors": reader.checksum_errors,
            "garbage_bytes": reader.garbage_bytes,
        }
        found: dict[tuple[str, ...], float] = {("", name): float(count) for name, count in own.items()}
        found |= {("", name): float(count) for name, count in self._counts.items()}
        for node in nodes:
            asset_id = node.row.asset_id
            found[asset_id, "messages"], found[asset_id, "duplicates"] = float(node.messages), float(node.duplicates)
            if node.rssi_dbm:
                found[asset_id, "rssi_dbm"] = float(node.rssi_dbm)
        return found

    def _virtual_modbus(self, listen: str) -> VirtualModbus | None:
        if not listen:
            return None
        units = {
            node.row.unit_id: lambda node=node: node.registers(monotonic())
            for node in self._table.nodes
            if node.row.unit_id is not None
        }
        return VirtualModbus(listen, units)

    def _take(self, body: bytes, inbox: Inbox) -> None:
        try:
            packet = parse(body)
            if isinstance(packet, Answer):
                packet = self._answered(packet, inbox)
        except ValueError as error:
            self._counts["malformed_frames"] += 1
            inbox.refuse(Refused(where=self._path, payload=body, reason=str(error)))
            return
        if isinstance(packet, Node):
            self._table.named(packet.node, packet.name)
        elif isinstance(packet, Data | Sample):
            self._heard(packet, inbox)
        elif isinstance(packet, Status) and (packet.code or not packet.is_delivery):
            self._counts["failed_deliveries" if packet.is_delivery else "modem_states"] += 1
        elif packet is None:
            self._counts["other_frames"] += 1

    def _answered(self, answer: Answer, inbox: Inbox) -> Packet:
        """An answer of the module; what it says of a node becomes that. Raises ValueError where it is cut short."""
        if answer.status:
            self._counts["refused_commands"] += 1
        elif answer.command == "ND" and answer.data:
            return discovered(answer.data)
        elif answer.command == "DB" and answer.data and self._signal_of:
            node, self._signal_of = self._signal_of, None
            _offer(inbox, node.signal(-answer.data[0], monotonic(), now_us()))
        return answer

    def _heard(self, packet: Data | Sample, inbox: Inbox) -> None:
        node = self._last_heard = self._table.find(packet.node)
        if node is not self._signal_of:
            self._signal_of = None  # the answer may now be about another node's message
        if node is None:
            self._counts["frames_of_unknown_nodes"] += 1
            return
        if isinstance(packet, Sample):
            batches: list[Batch] | None = node.fields(dict(packet.pins), now_us())
        elif node.is_for(packet):
            batches = node.take(packet, monotonic(), now_us())
        else:
            self._counts["frames_of_other_applications"] += 1
            return
        if batches is not None and not batches:
            self._counts["messages_without_rows"] += 1
        _offer(inbox, batches or ())

    def _ask_signal(self, node: XbeeNode) -> None:
        """How strong was that? The module knows it of the last message alone; asked now and then, for it takes time."""
        now, interval_seconds = monotonic(), self.config.source.rssi_interval_s
        is_asked = self._signal_of is not None and now - self._signal_seconds < ASK_SIGNAL_SECONDS
        if interval_seconds and not is_asked and now - node.rssi_seconds >= interval_seconds:
            self._signal_of, self._signal_seconds = node, now
            self._line.ask("DB", _DB)


def _offer(inbox: Inbox, batches: Iterable[Batch]) -> None:
    for batch in batches:
        inbox.offer(batch)
