"""What there is behind an XBee module, for whoever sets up a gateway: parameters, nodes that answer or are heard."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from streamforge.adapters.xbee_line import XbeeLine
from streamforge.adapters.xbee_packets import Answer, Data, Node, Packet, Sample, discovered, parse
from streamforge.errors import NotConnected

# What a person looks at first, in the order in which it is shown; Digi's names.
PARAMETERS = ("HV", "VR", "SH", "SL", "NI", "ID", "CH", "AP", "AO", "BD", "EE", "CE")
ANSWER_SECONDS = 2.0
_FIRST_FRAME_ID = 10
_TEXTS = {"NI"}


@dataclass(slots=True, kw_only=True)
class Found:
    """One node: the name it says, and what was heard of it."""

    node: int
    name: str = ""
    messages: int = 0
    payload: bytes = b""
    pins: dict[str, int] = field(default_factory=dict)


async def parameters(line: XbeeLine, commands: Sequence[str] = PARAMETERS) -> dict[str, str]:
    """Parameters of the module as it says them, in hexadecimal (names as text); those it does not know are left out.

    Raises NotConnected, and ValueError for what is no AT command.
    """
    found: dict[str, str] = {}
    for frame_id, command in enumerate(commands, _FIRST_FRAME_ID):
        line.ask(command.upper(), frame_id)
        until = monotonic() + ANSWER_SECONDS
        while monotonic() < until:
            answers = [packet for packet in await _packets(line) if isinstance(packet, Answer)]
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
    found: dict[int, Found] = {}
    line.ask("ND", _FIRST_FRAME_ID)
    until = monotonic() + seconds
    while monotonic() < until:
        for packet in await _packets(line):
            _note(found, packet)
    return [found[address] for address in sorted(found)]


async def _packets(line: XbeeLine) -> list[Packet]:
    """What came; frames that are cut short are passed over."""
    packets: list[Packet] = []
    for body in await line.read():
        try:
            packet = parse(body)
            is_node = isinstance(packet, Answer) and packet.command == "ND" and not packet.status and packet.data
            if isinstance(packet, Answer) and is_node:
                packet = discovered(packet.data)
        except ValueError:
            continue
        if packet is not None:
            packets.append(packet)
    await asyncio.sleep(0)
    return packets


def _note(found: dict[int, Found], packet: Packet) -> None:
    if not isinstance(packet, Node | Data | Sample):
        return
    one = found.setdefault(packet.node, Found(node=packet.node))
    if isinstance(packet, Node):
        one.name = packet.name
        return
    one.messages += 1
    if isinstance(packet, Data):
        one.payload = packet.payload
    else:
        one.pins |= packet.pins


def configuration(path: str, baud_rate: int, found: Sequence[Found]) -> str:
    """A configuration that reads these nodes: their pins by name, their payloads as registers to be named."""
    lines = ["[source]", f'xbee_port = "{path}"', f"baud_rate = {baud_rate}"]
    for one in found:
        asset_id = "".join(c if c.isalnum() else "_" for c in one.name.lower()).strip("_") or f"node_{one.node:016x}"
        lines += ["", "[[devices]]", f'asset_id = "{asset_id}"', f'node_id = "{one.node:016X}"', "tags = ["]
        lines += [f'  {{ param = "{pin.lower()}", at = "{pin}" }},' for pin in one.pins]
        lines += [
            f'  {{ param = "register_{40001 + at}", at = "{40001 + at}", type = "uint16" }},'
            for at in range(len(one.payload) // 2)
        ]
        lines += ['  { param = "rssi", at = "RSSI", unit = "dBm" },', "]"]
    return "\n".join(lines) + "\n"
