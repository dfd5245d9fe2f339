"""LoRa modems on a serial line that receive point to point: RAK (RUI3), Microchip RN2483, EBYTE E22.

Each knows what to say before it hears anything, reads what the line brings in any cut, and says what must be written
next. Pure: no port, no clock.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from streamforge.adapters.crc16 import crc16

MOST_LINE_BYTES = 1_024
MOST_PAYLOAD_BYTES = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One message, or (`payload` None) only how it was heard."""

    payload: bytes | None = None
    rssi_dbm: float | None = None
    snr_db: float | None = None


class Modem(ABC):
    """One modem. `errors` counts what was neither message nor answer."""

    # Said one after the other, each when the one before was answered.
    greeting: Sequence[bytes] = ()

    def __init__(self) -> None:
        self.errors = 0
        self._replies: list[bytes] = []

    @abstractmethod
    def feed(self, chunk: bytes) -> list[Heard]:
        """What is complete now."""

    def idle(self) -> list[Heard]:
        """The line is silent: what has begun will not end, but messages may stand behind it."""
        return []  # lines of text end by themselves

    def replies(self) -> list[bytes]:
        """What must be written now; asked for after each `feed`."""
        replies, self._replies = self._replies, []
        return replies


class LineModem(Modem):
    """A modem that speaks in lines of text."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[Heard]:
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        if len(self._buffer) > MOST_LINE_BYTES:
            self._buffer = b""
            self.errors += 1
        texts = [line.decode("ascii", "replace").strip() for line in lines]
        return [heard for text in texts if text and (heard := self._line(text)) is not None]

    @abstractmethod
    def _line(self, text: str) -> Heard | None:
        """What one line says."""

    def _payload(self, digits: str) -> bytes | None:
        try:
            payload = bytes.fromhex(digits)
        except ValueError:
            payload = b""
        if not payload or len(payload) > MOST_PAYLOAD_BYTES:
            self.errors += 1
            return None
        return payload


class Rak(LineModem):
    """RUI3 modules in P2P mode; events differ by firmware: one line, one with a length, or two lines."""

    _RECEIVE = b"AT+PRECV=65534\r\n"  # until it is told otherwise
    greeting = (_RECEIVE,)
    _EVENT = re.compile(
        r"\+EVT:RXP2P\s*[:,]\s*(?:RSSI\s*)?(-?\d+)\s*[:,]\s*(?:SNR\s*)?(-?\d+)(?:[:,]\d+)??(?:[:,]\s*([0-9A-Fa-f]+))?"
    )
    _DATA = re.compile(r"\+EVT:([0-9A-Fa-f]+)")

    def __init__(self) -> None:
        super().__init__()
        self._signal: tuple[float, float] | None = None

    def _line(self, text: str) -> Heard | None:
        if event := self._EVENT.fullmatch(text):
            self._signal = (float(event[1]), float(event[2]))
            return self._heard(event[3]) if event[3] else None
        if (data := self._DATA.fullmatch(text)) and self._signal:
            return self._heard(data[1])
        if "TIMEOUT" in text.upper():
            self._replies.append(self._RECEIVE)
        elif "ERROR" in text.upper():
            self.errors += 1
        return None

    def _heard(self, digits: str) -> Heard | None:
        signal, self._signal = self._signal, None
        payload = self._payload(digits)
        if payload is None or signal is None:
            return None
        return Heard(payload=payload, rssi_dbm=signal[0], snr_db=signal[1])


class Rn2483(LineModem):
    """It receives once and must then be told to receive again; before, it is asked how well it heard."""

    _RECEIVE = b"radio rx 0\r\n"
    _ASK = b"radio get snr\r\n"
    greeting = (b"mac pause\r\n", _RECEIVE)
    _MESSAGE = re.compile(r"radio_rx\s+([0-9A-Fa-f]+)")
    _NUMBER = re.compile(r"-?\d{1,3}")

    def __init__(self) -> None:
        super().__init__()
        self._is_asked = False

    def _line(self, text: str) -> Heard | None:
        if message := self._MESSAGE.fullmatch(text):
            self._is_asked = True
            self._replies.append(self._ASK)
            payload = self._payload(message[1])
            return None if payload is None else Heard(payload=payload)
        if self._is_asked or text == "radio_err":
            is_number = self._is_asked and self._NUMBER.fullmatch(text)
            self._is_asked = False
            self._replies.append(self._RECEIVE)
            return Heard(snr_db=float(text)) if is_number else None
        if text in {"invalid_param", "busy"}:
            self.errors += 1
        return None


class E22(Modem):
    """A transparent line: what arrives is what was sent, so a length (and a checksum) must say where messages end.

    Length byte, payload, and with `has_crc` CRC-16/MODBUS of both, low byte first.
    """

    def __init__(self, *, has_crc: bool) -> None:
        super().__init__()
        self._crc_bytes = 2 if has_crc else 0
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[Heard]:
        self._buffer += chunk
        found: list[Heard] = []
        while self._buffer and len(self._buffer) >= (end := 1 + self._buffer[0] + self._crc_bytes):
            whole = self._buffer[: end - self._crc_bytes]
            if len(whole) > 1 and (not self._crc_bytes or crc16(whole) == self._buffer[end - 2 : end]):
                found.append(Heard(payload=whole[1:]))
                self._buffer = self._buffer[end:]
            else:
                self.errors += 1
                self._buffer = self._buffer[1:]
        return found

    def idle(self) -> list[Heard]:
        found: list[Heard] = []
        self.errors += bool(self._buffer)
        while self._buffer:  # without a checksum whatever stands behind is a guess
            self._buffer = self._buffer[1:] if self._crc_bytes else b""
            found += self.feed(b"")
        return found
