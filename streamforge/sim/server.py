"""A small Modbus TCP server on asyncio: answers what it is told to, late, wrongly or not at all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

HEADER_BYTES = 7
REQUEST_BYTES = 12
LONGEST_FRAME_BYTES = 260
SERVER_DEVICE_FAILURE, GATEWAY_TARGET_SILENT = 4, 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to do with one request: `data` bytes or an exception code, after `delay_seconds`; None = say nothing."""

    data: bytes | int | None
    delay_seconds: float = 0.0


SILENCE = Reply(data=None)
Answerer = Callable[[int, int, int, int], Reply]
"""(unit id, function, start, count) -> reply."""


class Connection(asyncio.Protocol):
    """One client: frames are cut from the stream, each is answered by itself, in order unless delayed."""

    def __init__(self, answer: Answerer, connections: "set[Connection]") -> None:
        self._answer = answer
        self._connections = connections
        self._pending = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport
            self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        data = self._pending + data
        while len(data) >= HEADER_BYTES:
            length = 6 + int.from_bytes(data[4:6], "big")
            if length > LONGEST_FRAME_BYTES or data[2:4] != b"\0\0":
                self.close()
                return
            if len(data) < length:
                break
            self._serve(data[:length])
            data = data[length:]
        self._pending = data

    def close(self) -> None:
        """Hang up."""
        if self.transport:
            self.transport.close()

    def _serve(self, request: bytes) -> None:
        if len(request) != REQUEST_BYTES:
            return
        start, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
        reply = self._answer(request[6], request[7], start, count)
        if reply.data is None or self.transport is None:
            return
        answer = framed(request, reply.data)
        if reply.delay_seconds:
            asyncio.get_running_loop().call_later(reply.delay_seconds, self.transport.write, answer)
        else:
            self.transport.write(answer)


def framed(request: bytes, data: bytes | int) -> bytes:
    """The whole answer to `request`: data bytes, or an exception code."""
    function = request[7]
    pdu = bytes((function | 0x80, data)) if isinstance(data, int) else bytes((function, len(data))) + data
    return request[:4] + (len(pdu) + 1).to_bytes(2, "big") + request[6:7] + pdu
