"""What there is behind an XBee module, for whoever sets up a gateway: parameters, nodes that answer or are heard."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from streamforge.adapters.radio_sight import TomlValue, asset_ids, device, register_rows, row, table
from streamforge.adapters.xbee_line import XbeeLine
from streamforge.adapters.xbee_packets import Answer, Data, Endpoints, Node, Packet, Sample, discovered, parse
from streamforge.errors import NotConnected

# What a person looks at first, in the order in which it is shown; Digi's names.
PARAMETERS = ("HV", "VR", "SH", "SL", "NI", "ID", "CH", "AP", "AO", "BD", "EE", "CE")
ANSWER_SECONDS = 2.0
_FIRST_FRAME_ID = 10
_TEXTS = {"NI"}


@dataclass(slots=True, kw_only=True)
class Found:
    """One node: the name it says, and what was heard of it. `frames`: kind -> how many; `rssi_dbm` None = not known."""

    node: int
    name: str = ""
    messages: int = 0
    payload: bytes = b""
    pins: dict[str, int] = field(default_factory=dict)
    frames: Counter[str] = field(default_factory=Counter)
    endpoints: Endpoints | None = None
    rssi_dbm: int | None = None


async def parameters(line: XbeeLine, commands: Sequence[str] = PARAMETERS) -> dict[str, str]:
    """Parameters of the module as it says them, in hexadecimal (names as text); those it does not know are left out.

    Raises NotConnected, and ValueError for what is no AT command that only asks.
    """
    found: dict[str, str] = {}
    for frame_id, command in enumerate(commands, _FIRST_FRAME_ID):
        line.ask(command.upper(), frame_id)
        until = monotonic() + ANSWER_SECONDS
        while monotonic() < until:
            answers = [packet for _, packet in await _packets(line) if isinstance(packet, Answer)]
            mine = next((answer for answer in answers if answer.frame_id == frame_id), None)
            if mine is not None:
                if not mine.status:
                    is_text = mine.command in _TEXTS
                    found[mine.command] = mine.data.decode("latin-1") if is_text else mine.data.hex().upper()
                break
        else:
            raise NotConnected(f"the module does not answer {command}")
    return found


async def nodes(line: XbeeLine, seconds: float) -> list[Found]:
    """Nodes that answer a discovery or are heard within this time, by address. Raises NotConnected."""
    survey = _Survey()
    line.ask("ND", _FIRST_FRAME_ID)
    until = monotonic() + seconds
    while monotonic() < until:
        for kind, packet in await _packets(line):
            survey.note(kind, packet)
        if survey.is_signal_wanted(monotonic()):
            line.ask("DB", _FIRST_FRAME_ID)
    return [survey.found[address] for address in sorted(survey.found)]


async def _packets(line: XbeeLine) -> list[tuple[int, Packet]]:
    """What came, each with the type of its frame; frames that are cut short are passed over."""
    packets: list[tuple[int, Packet]] = []
    for body in await line.read():
        try:
            packet = parse(body)
            is_node = isinstance(packet, Answer) and packet.command == "ND" and not packet.status and packet.data
            if isinstance(packet, Answer) and is_node:
                packet = discovered(packet.data)
        except ValueError:
            continue
        if packet is not None:
            packets.append((body[0], packet))
    await asyncio.sleep(0)
    return packets


class _Survey:
    """Notes what is heard. The module says the signal of the last message alone, so it is asked after one."""

    def __init__(self) -> None:
        self.found: dict[int, Found] = {}
        self._last: Found | None = None
        self._asked_of: Found | None = None
        self._asked_seconds = -ANSWER_SECONDS

    def note(self, kind: int, packet: Packet) -> None:
        """One packet in a frame of that type."""
        if isinstance(packet, Node | Data | Sample):
            one = self.found.setdefault(packet.node, Found(node=packet.node))
            one.frames[f"0x{kind:02X}"] += 1
            self._of_node(one, packet)
        elif isinstance(packet, Answer) and packet.command == "DB":
            asked, self._asked_of = self._asked_of, None
            if asked is not None and asked is self._last and packet.data and not packet.status:
                asked.rssi_dbm = -packet.data[0]

    def _of_node(self, one: Found, packet: Node | Data | Sample) -> None:
        if isinstance(packet, Node):
            one.name, one.rssi_dbm = packet.name, packet.rssi_dbm or one.rssi_dbm
            return
        self._last = one
        one.messages += 1
        if isinstance(packet, Data):
            one.payload, one.endpoints = packet.payload, packet.endpoints
        else:
            one.pins |= packet.pins

    def is_signal_wanted(self, now_seconds: float) -> bool:
        """Whether the module is to be asked how strong it heard the last message."""
        is_waiting = self._asked_of is not None and now_seconds - self._asked_seconds < ANSWER_SECONDS
        if is_waiting or self._last is None or self._last.rssi_dbm is not None:
            return False
        self._asked_of, self._asked_seconds = self._last, now_seconds
        return True


def configuration(path: str, baud_rate: int, found: Sequence[Found]) -> str:
    """A configuration that reads these nodes: their pins by name, their payloads as registers to be named."""
    parts = ['protocol = "xbee"', table("[source]", {"xbee_port": path, "baud_rate": baud_rate})]
    for asset_id, one in zip(asset_ids(one.name or f"node_{one.node:016x}" for one in found), found, strict=True):
        rows = [row(pin.lower(), pin) for pin in one.pins]
        rows += [*register_rows(one.payload), row("rssi", "RSSI", unit="dBm")]
        keys = {"asset_id": asset_id, "node_id": f"{one.node:016X}", **_application(one.endpoints)}
        parts.append(device(keys, rows))
    return "\n\n".join(parts) + "\n"


def _application(ends: Endpoints | None) -> dict[str, TomlValue]:
    """The keys that say which application explicit frames are for, where that is not Digi's own."""
    own = {"destination_endpoint": 0xE8, "cluster": 0x0011, "profile": 0xC105}
    if ends is None or not ends.profile:  # profile 0 is the network's own traffic, none of an application
        return {}
    said = {"destination_endpoint": ends.destination, "cluster": ends.cluster, "profile": ends.profile}
    return {} if said == own else dict(said)
