"""Serves register images as a Modbus TCP server that can only be read: a PLC beside the gateway sees wireless nodes.

Functions 3 and 4 alone; everything else is exception 1 (illegal function), an address outside 2, an unknown unit 11.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic

from streamforge.adapters.byte_stream import plain_words
from streamforge.adapters.modbus_points import MOST_REGISTERS
from streamforge.errors import NotConnected

MOST_CONNECTIONS = 16
FIRST_FREE_PORT = 1024
AGAIN_SECONDS = 10.0
_HEADER_BYTES = 6
_READS = {3, 4}
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _NO_TARGET = 1, 2, 3, 11

Image = Callable[[], Sequence[int]]


def answer(request: bytes, units: Mapping[int, Image]) -> bytes:
    """The answer to unit id, function and data of one request, as it follows the header."""
    unit_id, function = request[0], request[1]
    image = units.get(unit_id)
    if image is None:
        return _exception(request, _NO_TARGET)
    if function not in _READS:
        return _exception(request, _ILLEGAL_FUNCTION)
    start, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
    if len(request) != 6 or not 1 <= count <= MOST_REGISTERS:
        return _exception(request, _ILLEGAL_VALUE)
    registers = image()
    if start + count > len(registers):
        return _exception(request, _ILLEGAL_ADDRESS)
    body = b"".join(register.to_bytes(2, "big") for register in registers[start : start + count])
    return bytes([unit_id, function, len(body)]) + body


def _exception(request: bytes, code: int) -> bytes:
    return bytes([request[0], request[1] | 0x80, code])


class VirtualModbus:
    """The server; `listen` is host:port, `units` the image of each unit id."""

    def __init__(self, listen: str, units: Mapping[int, Image]) -> None:
        self._listen = listen
        self._units = units
        self._server: asyncio.Server | None = None
        self._again_seconds = 0.0
        # Why it does not listen, "" = it does, or was not asked to.
        self.fault = ""
        # The clients, the one that is silent for longest first.
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    @property
    def port(self) -> int:
        """The port that it listens on; 0 = it does not."""
        port: int = self._server.sockets[0].getsockname()[1] if self._server else 0
        return port

    async def keep_open(self) -> None:
        """Listen, if it does not yet, tried every 10 s; `fault` says why it cannot: that costs nobody's readings."""
        if self._server is None and monotonic() >= self._again_seconds:
            self._again_seconds = monotonic() + AGAIN_SECONDS
            try:
                await self.open()
                self.fault = ""
            except NotConnected as error:
                self.fault = str(error)

    async def open(self) -> None:
        """Listen, if it does not yet. Raises NotConnected where the address cannot be had."""
        if self._server is not None:
            return
        host, port = host_and_port(self._listen)
        try:
            self._server = await asyncio.start_server(self._serve, host, port)
        except OSError as error:
            raise NotConnected(f"[virtual_modbus] {self._listen}: {plain_words(error)}") from error

    async def close(self) -> None:
        """Stop listening and hang up."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            clients, self._clients = self._clients, {}
            for writer in clients:
                writer.transport.abort()
            await asyncio.gather(*(task for task in clients.values() if task), return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client. One too many costs the connection that was silent for longest: it may be half of one only."""
        if len(self._clients) >= MOST_CONNECTIONS:
            oldest = next(iter(self._clients))
            del self._clients[oldest]
            oldest.transport.abort()
        self._clients[writer] = asyncio.current_task()
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._converse(reader, writer)
        finally:
            self._clients.pop(writer, None)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request after the other, until the client hangs up or sends what is no Modbus."""
        while True:
            header = await reader.readexactly(_HEADER_BYTES)
            length = int.from_bytes(header[4:6], "big")
            if header[2:4] != b"\0\0" or not 2 <= length <= 254:
                return
            body = answer(await reader.readexactly(length), self._units)
            if writer in self._clients:
                self._clients[writer] = self._clients.pop(writer)
            writer.write(header[:4] + len(body).to_bytes(2, "big") + body)
            await writer.drain()


def host_and_port(listen: str) -> tuple[str, int]:
    """`host:port` taken apart. Raises ValueError that says how it is written."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        msg = f'listen {listen!r} is no address with a port: write for example "127.0.0.1:1502"'
        raise ValueError(msg)
    return host.strip("[]"), int(port)


def check_listen(listen: str) -> None:
    """Raises ValueError where a unit, which has no rights of root's, cannot listen there."""
    _, port = host_and_port(listen)
    if 0 < port < FIRST_FREE_PORT:
        msg = f"listen {listen!r}: ports below {FIRST_FREE_PORT} are closed to the unit"
        raise ValueError(msg)
