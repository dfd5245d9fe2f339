"""Modbus servers that are wrong on purpose, on plain sockets: nothing in them knows the library under test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reply = bytes | None
Behaviour = Callable[[bytes], Reply | float]


@dataclass
class Hostile:
    """One server: `behave` gets each request and answers bytes, None for silence, or a negative number to hang up.

    A positive number is a delay in seconds before the right answer. `seen` holds every request, `connections` counts.
    """

    behave: Behaviour
    seen: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    piece_bytes: int = 0

    async def _send(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        """All at once, or in small packets."""
        step = self.piece_bytes or max(1, len(reply))
        for at in range(0, len(reply), step):
            writer.write(reply[at : at + step])
            await writer.drain()
            await asyncio.sleep(0.001 if self.piece_bytes else 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                header = await reader.readexactly(6)
                request = header + await reader.readexactly(int.from_bytes(header[4:6], "big"))
                self.seen.append(request)
                reply = self.behave(request)
                if isinstance(reply, float):
                    if reply < 0:
                        break
                    await asyncio.sleep(reply)
                    reply = right(request)
                if reply is not None:
                    await self._send(writer, reply)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hostile(behave: Behaviour) -> AsyncIterator[Hostile]:
    """The server on a free port of loopback."""
    peer = Hostile(behave)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for writer in peer.writers:
            writer.close()


def right(request: bytes) -> bytes:
    """The right answer: register n holds n, bit n is n odd."""
    start, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
    if request[7] <= 2:
        bits = sum((n & 1) << i for i, n in enumerate(range(start, start + count)))
        data = bits.to_bytes((count + 7) // 8, "little")
    else:
        data = b"".join((n & 0xFFFF).to_bytes(2, "big") for n in range(start, start + count))
    return frame(request, bytes([request[7], len(data)]) + data)


def frame(request: bytes, pdu: bytes, *, transaction: int | None = None, unit: int | None = None) -> bytes:
    """A whole answer to `request` around the given PDU."""
    tid = request[:2] if transaction is None else transaction.to_bytes(2, "big")
    return tid + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes([request[6] if unit is None else unit]) + pdu


def exception(code: int) -> Behaviour:
    """A server that refuses everything with one exception code."""
    return lambda request: frame(request, bytes([request[7] | 0x80, code]))
