"""The nodes of an XBee network as the configuration names them, and what is remembered of each."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from streamforge.adapters.base import Batch, Device
from streamforge.adapters.radio_form import Form, Message
from streamforge.adapters.register_image import NEVER_WRITTEN, registers_of
from streamforge.adapters.xbee_config import RSSI, NodeRow, XbeeConfig
from streamforge.adapters.xbee_packets import Data
from streamforge.model import Quality, Value

# A network of more nodes than that is none: their addresses are garbage, and need not be remembered.
MOST_NODES = 4_096
# A number that comes again among so many within this time is the same message, repeated by the radio.
REMEMBERED_NUMBERS = 16
REPEATS_SECONDS = 60.0


@dataclass(slots=True)
class _Numbers:
    """The last numbers of messages of one address."""

    seen: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED_NUMBERS))
    heard_seconds: float = -inf

    def is_repeated(self, number: int, now_seconds: float) -> bool:
        """Whether the number came just before; it is remembered."""
        if now_seconds - self.heard_seconds > REPEATS_SECONDS:
            self.seen.clear()
        self.heard_seconds = now_seconds
        if number in self.seen:
            return True
        self.seen.append(number)
        return False


@dataclass(slots=True, kw_only=True)
class XbeeNode:
    """One row of the configuration and what is remembered of its node, or of all whose addresses begin as it says.

    Times are of the monotonic clock.
    """

    row: NodeRow
    form: Form
    devices: Sequence[Device]
    timeout_seconds: float
    payload: bytes = b""
    heard_seconds: float = -inf
    messages: int = 0
    duplicates: int = 0
    rssi_dbm: int = 0
    rssi_seconds: float = -inf
    _numbers: dict[int, _Numbers] = field(default_factory=dict)

    def is_for(self, data: Data) -> bool:
        """Whether the bytes are for the application that the configuration names; plain data always is."""
        ends, row = data.endpoints, self.row
        return ends is None or (
            (row.source_endpoint is None or ends.source == row.source_endpoint)
            and (ends.destination, ends.cluster, ends.profile) == (row.destination_endpoint, row.cluster, row.profile)
        )

    def take(self, data: Data, now_seconds: float, time_us: int) -> list[Batch] | None:
        """The readings of a message; None = it came before."""
        payload = data.payload
        if self._is_repeated(data, now_seconds):
            self.duplicates += 1
            return None
        self.messages += 1
        self.heard_seconds = now_seconds
        header, self.payload = payload[: self.row.header_bytes], payload[self.row.header_bytes :]
        message = Message(kind=header.hex().upper(), payload=self.payload, time_us=time_us)
        return self.form.read(message)

    def fields(self, values: dict[str, Value], time_us: int) -> list[Batch]:
        """The readings of pins or of the signal strength."""
        return self.form.read(Message(fields=values, time_us=time_us))

    def signal(self, rssi_dbm: int, now_seconds: float, time_us: int) -> list[Batch]:
        """The strength with which it was heard."""
        self.rssi_dbm, self.rssi_seconds = rssi_dbm, now_seconds
        return self.fields({RSSI: rssi_dbm}, time_us)

    def _is_repeated(self, data: Data, now_seconds: float) -> bool:
        place = self.row.seq_at
        if place is None or place >= len(data.payload):
            return False
        if data.node not in self._numbers and len(self._numbers) >= MOST_NODES:
            self._numbers.clear()
        return self._numbers.setdefault(data.node, _Numbers()).is_repeated(data.payload[place], now_seconds)

    def registers(self, now_seconds: float) -> list[int]:
        """The image of its last message; then age in seconds, quality, messages modulo 65536, signal in dBm."""
        age_seconds = now_seconds - self.heard_seconds
        is_silent = age_seconds > (self.timeout_seconds or inf) or not self.messages
        return [
            *registers_of(self.payload),
            int(min(age_seconds, NEVER_WRITTEN)),
            (Quality.BAD if is_silent else Quality.GOOD).value,
            self.messages & 0xFFFF,
            self.rssi_dbm & 0xFFFF,
        ]


class NodeTable:
    """Finds the configured node of an address: by the address itself, by name, by the longest beginning."""

    def __init__(self, config: XbeeConfig) -> None:
        self.nodes = tuple(_node(row, config) for row in config.devices)
        self._names: dict[int, str] = {}
        self._found: dict[int, XbeeNode | None] = {}

    @property
    def unresolved(self) -> set[str]:
        """Configured names that no node has said to be its own yet."""
        return {node.row.node_name for node in self.nodes if node.row.node_name} - set(self._names.values())

    def named(self, address: int, name: str) -> None:
        """A node said its name."""
        if address in self._names or len(self._names) < MOST_NODES:
            self._names[address] = name
            self._found.clear()

    def find(self, address: int) -> XbeeNode | None:
        """The configured node; None = unknown."""
        if address not in self._found:
            if len(self._found) >= MOST_NODES:
                self._found.clear()
            self._found[address] = self._search(address)
        return self._found[address]

    def _search(self, address: int) -> XbeeNode | None:
        digits, name = f"{address:016X}", self._names.get(address)
        best = max(self.nodes, key=lambda node: _fit(node.row, digits, name))
        return best if _fit(best.row, digits, name) else None


def _fit(row: NodeRow, digits: str, name: str | None) -> float:
    """How exactly the row names the node; 0 = not at all."""
    if row.node_name:
        return 15.5 if row.node_name == name else 0.0
    return len(row.node_id) if digits.startswith(row.node_id.upper()) else 0.0


def _node(row: NodeRow, config: XbeeConfig) -> XbeeNode:
    form, source = row.form(), config.source
    timeout_seconds = source.node_timeout_s if row.node_timeout_s is None else row.node_timeout_s
    address = row.node_id or row.node_name
    devices = form.devices(row.asset_id, source.xbee_port, timeout_seconds, f"{source.xbee_port} node {address}")
    return XbeeNode(row=row, form=form, devices=devices, timeout_seconds=timeout_seconds)


def devices_of(nodes: Iterable[XbeeNode]) -> tuple[Device, ...]:
    """All devices of these nodes."""
    return tuple(device for node in nodes for device in node.devices)
