"""What the frames of an XBee module say: received data, IO samples, answers to AT commands, nodes, states.

Names and layouts as in Digi's "Frame descriptions". Pure: frame data in, a packet out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

AT_COMMAND, REMOTE_COMMAND = 0x08, 0x17
AT_ANSWER, MODEM_STATUS, TRANSMIT_STATUS = 0x88, 0x8A, 0x8B
RECEIVE, EXPLICIT_RECEIVE, IO_SAMPLE, NODE_IDENTIFICATION, REMOTE_ANSWER = 0x90, 0x91, 0x92, 0x95, 0x97

DIGITAL_PINS = tuple(f"D{number}" for number in range(13))
# A4 and A5 are there on old modules alone.
ANALOG_PINS = tuple(f"A{number}" for number in range(6))
SUPPLY = "SUPPLY"
_ANALOG_BITS = (*ANALOG_PINS, "", SUPPLY)
# Parameters, and what is looked for without setting anything (ND, DB); Digi's names.
_ASKED = """
    AI AO AP AR BD BH BR CE CH CI CM CR D0 D1 D2 D3 D4 D5 D6 D7 D8 D9 DB DD DE DH DL DO EA EC EE EO ER GD GT HP HV IC
    ID II IR JN JV LT MM MP MT MY NB NC ND NH NI NJ NN NO NP NT NW OI OP P0 P1 P2 P3 P4 PL PM PR RN RO RR SB SC SD SE SH
    SL SM SN SO SP ST TO TP V+ VR ZS %V
"""
QUERIES = frozenset(_ASKED.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Which application an explicit frame is for."""

    source: int
    destination: int
    cluster: int
    profile: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Bytes that a node sent; `endpoints` where the module says them (AO=1)."""

    node: int
    payload: bytes
    options: int = 0
    endpoints: Endpoints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Pins of a node: name -> bit of a digital one, raw 10 bits of an analog one, raw supply voltage in mV."""

    node: int
    pins: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to an AT command, of the module itself (`node` 0) or of a remote one; `status` 0 = OK."""

    command: str
    status: int
    data: bytes
    node: int = 0
    frame_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node and the name that a person gave it (NI); `rssi_dbm` 0 = not said."""

    node: int
    name: str
    rssi_dbm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """State of the module (`is_delivery` false) or of something it sent; `code` 0 of a delivery = it arrived."""

    code: int
    is_delivery: bool = False


Packet = Data | Sample | Answer | Node | Status


def parse(data: bytes) -> Packet | None:
    """The packet; None for a type that is none of ours. Raises ValueError where the frame is cut short."""
    reader = _READERS.get(data[0]) if data else None
    if reader is None:
        return None
    least, read = reader
    if len(data) < least:
        msg = f"frame 0x{data[0]:02X} has {len(data)} bytes, needs {least}"
        raise ValueError(msg)
    return read(data)


def _receive(data: bytes) -> Data:
    return Data(node=_address(data, 1), options=data[11], payload=data[12:])


def _explicit(data: bytes) -> Data:
    endpoints = Endpoints(
        source=data[11],
        destination=data[12],
        cluster=int.from_bytes(data[13:15], "big"),
        profile=int.from_bytes(data[15:17], "big"),
    )
    return Data(node=_address(data, 1), options=data[17], payload=data[18:], endpoints=endpoints)


def _io_sample(data: bytes) -> Sample:
    return Sample(node=_address(data, 1), pins=pins_of(data[12:]))


def pins_of(data: bytes) -> dict[str, int]:
    """The pins of one IO sample (frame 0x92, answer to IS): masks first. Raises ValueError where it is cut short."""
    if len(data) < 4:
        msg = f"an IO sample has {len(data)} bytes, needs at least 4"
        raise ValueError(msg)
    digital_mask, analog_mask = int.from_bytes(data[1:3], "big"), data[3]
    analog = [name for bit, name in enumerate(_ANALOG_BITS) if analog_mask >> bit & 1]
    needed = 4 + (2 if digital_mask else 0) + 2 * len(analog)
    if len(data) < needed:
        msg = f"an IO sample has {len(data)} bytes, its masks ask for {needed}"
        raise ValueError(msg)
    pins, at = {}, 4
    if digital_mask:
        states, at = int.from_bytes(data[4:6], "big"), 6
        pins = {name: states >> bit & 1 for bit, name in enumerate(DIGITAL_PINS) if digital_mask >> bit & 1}
    values = zip(analog, range(at, needed, 2), strict=True)
    return pins | {name: int.from_bytes(data[place : place + 2], "big") for name, place in values if name}


def _at_answer(data: bytes) -> Answer:
    return Answer(command=_text(data[2:4]), status=data[4], data=data[5:], frame_id=data[1])


def _remote_answer(data: bytes) -> Answer | Sample:
    node, command, status = _address(data, 2), _text(data[12:14]), data[14]
    if command == "IS" and not status:
        return Sample(node=node, pins=pins_of(data[15:]))
    return Answer(command=command, status=status, data=data[15:], node=node, frame_id=data[1])


def _node_identification(data: bytes) -> Node:
    """Frame 0x95: its own addresses come first, those of the node that names itself then, then the name."""
    name, _, _ = data[22:].partition(b"\0")
    return Node(node=_address(data, 14), name=_text(name))


def discovered(data: bytes) -> Node:
    """The answer to ND: of ZigBee and DigiMesh, or of 802.15.4, which says a signal strength before the name.

    Raises ValueError where it is cut short.
    """
    if len(data) < 11:
        msg = f"an answer to ND has {len(data)} bytes, needs at least 11"
        raise ValueError(msg)
    name, _, rest = data[10:].partition(b"\0")
    if not rest and len(name) > 0:
        return Node(node=_address(data, 2), name=_text(name[1:]), rssi_dbm=-name[0])
    return Node(node=_address(data, 2), name=_text(name))


def _address(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "big")


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip()


_READERS: dict[int, tuple[int, Callable[[bytes], Packet]]] = {
    AT_ANSWER: (5, _at_answer),
    MODEM_STATUS: (2, lambda data: Status(code=data[1])),
    TRANSMIT_STATUS: (7, lambda data: Status(code=data[5], is_delivery=True)),
    RECEIVE: (12, _receive),
    EXPLICIT_RECEIVE: (18, _explicit),
    IO_SAMPLE: (16, _io_sample),
    NODE_IDENTIFICATION: (22, _node_identification),
    REMOTE_ANSWER: (15, _remote_answer),
}


def query(command: str, frame_id: int) -> bytes:
    """Frame data that asks the module for a parameter. Without a value nothing is set.

    Some commands act without a value (RE forgets all settings, NR leaves the network), so only those go out that are
    known to be asked alone. Raises ValueError for any other.
    """
    if command not in QUERIES or not 0 < frame_id < 256:
        msg = (
            f"{command!r} is no AT command that only asks ({' '.join(sorted(QUERIES))}), or {frame_id} no frame number"
        )
        raise ValueError(msg)
    return bytes([AT_COMMAND, frame_id]) + command.encode("ascii")
