"""A serial line of the simulated plant: its machines as Modbus RTU units on a pseudo terminal, under one name."""

import asyncio
from pathlib import Path

from streamforge.sim.pseudo_terminal import PseudoTerminal
from streamforge.sim.server import GATEWAY_TARGET_SILENT, Answerer

REQUEST_BYTES = 8


class Line:
    """Opened by the path, as a converter's port would be. Silent to what is no request, and to units that it lacks."""

    def __init__(self, path: Path, answer: Answerer) -> None:
        """Raises OSError where the name cannot be made."""
        self._answer = answer
        self._pending = b""
        self._line = PseudoTerminal(path, self._hear)
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """The converter is pulled."""
        self._line.close()

    def _hear(self, data: bytes) -> None:
        data = self._pending + data
        while len(data) >= REQUEST_BYTES:
            if crc16(data[:6]) == data[6:REQUEST_BYTES]:
                self._serve(data[:6])
                data = data[REQUEST_BYTES:]
            else:
                data = data[1:]
        self._pending = data

    def _serve(self, request: bytes) -> None:
        unit_id, function = request[0], request[1]
        start, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        reply = self._answer(unit_id, function, start, count)
        if reply.data is None or reply.data == GATEWAY_TARGET_SILENT:
            return
        data = reply.data
        pdu = bytes((function | 0x80, data)) if isinstance(data, int) else bytes((function, len(data))) + data
        frame = bytes([unit_id]) + pdu
        self._loop.call_later(reply.delay_seconds, self._line.send, frame + crc16(frame))


def crc16(data: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first; the plant's own, so that reader and read do not share a mistake."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")
