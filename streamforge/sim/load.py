"""A Modbus TCP server that costs next to nothing: it measures the one who asks.

Answers are built once for each distinct request; only the transaction number is copied. All registers are INT16:
register r of unit u shows u * 100 + r % 100 or one more, in turns from one second to the next, so that readings change.
"""

import asyncio
from time import monotonic

from streamforge.adapters.registers import Table
from streamforge.sim.image import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION
from streamforge.sim.server import REQUEST_BYTES, framed


class LoadConnection(asyncio.Protocol):
    """One client. Requests arrive whole, as every client sends them; another length ends the connection."""

    def __init__(self, devices: int, registers: int) -> None:
        self._devices, self._registers = devices, registers
        self._answers: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        turn = int(monotonic()) & 1
        for at in range(0, len(data), REQUEST_BYTES):
            question = data[at + 2 : at + REQUEST_BYTES]
            answer = self._answers[turn].get(question) or self._new(turn, question)
            if not answer:
                self._transport.close()
                return
            self._transport.write(data[at : at + 2] + answer)

    def _new(self, turn: int, question: bytes) -> bytes:
        """Everything of the answer after the transaction number."""
        if len(question) != REQUEST_BYTES - 2:
            return b""
        unit_id, function = question[4], question[5]
        start, count = int.from_bytes(question[6:8], "big"), int.from_bytes(question[8:10], "big")
        if function not in {Table.HOLDING_REGISTER, Table.INPUT_REGISTER}:
            data: bytes | int = ILLEGAL_FUNCTION
        elif not 1 <= unit_id <= self._devices or start + count > self._registers or not 1 <= count <= 125:
            data = ILLEGAL_ADDRESS
        else:
            data = b"".join((unit_id * 100 + r % 100 + turn).to_bytes(2, "big") for r in range(start, start + count))
        answer = framed(b"\0\0" + question, data)[2:]
        self._answers[turn][question] = answer
        return answer
