"""An XBee module of the simulated plant on a pseudo terminal: three nodes send, and the module answers AT queries.

Frames are those of Digi's API mode 1: 0x7E, length, data, checksum; 0x90 = payload of a node, 0x92 = its pins.
"""

import asyncio
import os
import struct
from itertools import cycle
from pathlib import Path
from time import time

from streamforge.sim.faults import Troubles
from streamforge.sim.pseudo_terminal import PseudoTerminal
from streamforge.sim.signals import noise, wave

PUMP_1, PUMP_2, HOUSE = "0013A20041110001", "0013A20041110002", "0013A20041110003"
EVERY_SECONDS = 0.7
GARBAGE, BAD_CHECKSUM, SILENCE = "garbage", "bad checksum", "silence"
ROTATION = (GARBAGE, BAD_CHECKSUM, SILENCE)
_DELIMITER, _AT, _AT_ANSWER, _RECEIVED, _PINS = 0x7E, 0x08, 0x88, 0x90, 0x92
_ANSWERS = {b"AP": b"\x01", b"DB": b"\x2d", b"NI": b"PLANT", b"AO": b"\x00"}
_UNKNOWN_ADDRESS = b"\xff\xfe"
_DIGITAL_MASK, _ANALOG_MASK, _SUPPLY_BIT = 0x0008, 0x02, 0x80


class XbeeModule:
    """Opened by the path, as a module's USB port would be."""

    def __init__(self, path: Path, troubles: Troubles, seed: int) -> None:
        """Raises OSError where the name cannot be made."""
        self._troubles, self._seed = troubles, seed
        self._line = PseudoTerminal(path, self._hear)
        self._pending = b""

    def close(self) -> None:
        """The module is pulled."""
        self._line.close()

    async def run(self) -> None:
        """One node after the other sends, again and again."""
        for node in cycle((PUMP_1, PUMP_2, HOUSE)):
            await asyncio.sleep(EVERY_SECONDS)
            now = time()
            sent = _pins(node, self._seed, now) if node == HOUSE else _received(node, _pump(self._seed, now))
            trouble = self._troubles.now(now)
            if trouble == GARBAGE:
                self._line.send(os.urandom(12))
            if trouble != SILENCE:
                self._line.send(_spoilt(sent) if trouble == BAD_CHECKSUM else sent)

    def _hear(self, data: bytes) -> None:
        """Answer every whole AT query."""
        self._pending += data
        while (at := self._pending.find(_DELIMITER)) >= 0 and len(self._pending) >= at + 4:
            length = int.from_bytes(self._pending[at + 1 : at + 3], "big")
            if len(self._pending) < at + 4 + length:
                return
            body = self._pending[at + 3 : at + 3 + length]
            self._pending = self._pending[at + 4 + length :]
            if body[:1] == bytes([_AT]):
                value = _ANSWERS.get(body[2:4])
                status = b"\x02" if value is None else b"\x00" + value  # 2 = no such command
                self._line.send(frame(bytes([_AT_ANSWER]) + body[1:4] + status))


def frame(body: bytes) -> bytes:
    """Data of a frame, as it goes over the line."""
    return bytes([_DELIMITER]) + len(body).to_bytes(2, "big") + body + bytes([0xFF - sum(body) & 0xFF])


def _spoilt(sent: bytes) -> bytes:
    return sent[:-1] + bytes([sent[-1] ^ 0x55])


def _received(node: str, payload: bytes) -> bytes:
    return frame(bytes([_RECEIVED]) + bytes.fromhex(node) + _UNKNOWN_ADDRESS + b"\x01" + payload)


def _pump(seed: int, t: float) -> bytes:
    """Three registers' worth: pressure and temperature as floats, flow in tenths."""
    flow = 42.0 + 6.0 * wave(t, 600.0) + noise(seed, t, 4.0)
    return struct.pack(">ffh", 6.2 + 0.1 * noise(seed + 1, t, 3.0), 38.0 + 2.0 * wave(t, 1800.0), round(flow * 10))


def _pins(node: str, seed: int, t: float) -> bytes:
    """A sample of pin D3 (the hatch), A1 (a level) and the supply."""
    hatch = 0x0008 if t % 3600.0 < 45.0 else 0
    level, supply_mv = round(512 + 180 * wave(t, 900.0) + 4 * noise(seed, t, 2.0)), 3300
    masks = struct.pack(">BHB", 1, _DIGITAL_MASK, _ANALOG_MASK | _SUPPLY_BIT)
    data = masks + struct.pack(">HHH", hatch, level, supply_mv)
    return frame(bytes([_PINS]) + bytes.fromhex(node) + _UNKNOWN_ADDRESS + b"\x01" + data)
