"""A broker that is wrong on purpose, on a plain socket: packets are written by hand, nothing in it knows a library.

MQTT 3.1.1 on the wire. `script` runs for each connection once CONNECT has come, and sends what it likes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CONNACK, SUBACK, PINGRESP = b"\x20\x02", b"\x90", b"\xd0\x00"


def packet(first: int, body: bytes) -> bytes:
    """A fixed header with its length, then the body."""
    length, out = len(body), b""
    while True:
        out += bytes([length % 128 | (128 if length > 127 else 0)])
        length //= 128
        if not length:
            return bytes([first]) + out + body


def publish(topic: str, payload: bytes, mid: int, *, dup: bool = False, qos: int = 1) -> bytes:
    """PUBLISH."""
    name = topic.encode()
    number = mid.to_bytes(2, "big") if qos else b""
    return packet(0x30 | dup << 3 | qos << 1, len(name).to_bytes(2, "big") + name + number + payload)


def connack(*, session: bool = False, code: int = 0) -> bytes:
    """CONNACK."""
    return CONNACK + bytes([session, code])


@dataclass
class Peer:
    """One connection of the adapter's, as the script sees it."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    acknowledged: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    answers_pings: bool = True
    grants: int = 1

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def packets(self) -> None:
        """Answer what a broker answers, note the rest, until the adapter hangs up."""
        while True:
            first, body = await self.packet()
            self.seen.append(first & 0xF0)
            if first & 0xF0 == 0x80:
                count = sum(1 for _ in filters(body[2:]))
                self.send(packet(0x90, body[:2] + bytes([self.grants]) * count))
            elif first & 0xF0 == 0x40:
                self.acknowledged.append(int.from_bytes(body[:2], "big"))
            elif first & 0xF0 == 0xC0 and self.answers_pings:
                self.send(PINGRESP)

    async def packet(self) -> tuple[int, bytes]:
        first = (await self.reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await self.reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, await self.reader.readexactly(length)


def filters(body: bytes) -> list[bytes]:
    """Those of a SUBSCRIBE."""
    found = []
    while body:
        size = int.from_bytes(body[:2], "big")
        found.append(body[2 : 2 + size])
        body = body[3 + size :]
    return found


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Hostile:
    """The server and its connections so far."""

    script: Script
    peers: list[Peer] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        try:
            first, _ = await peer.packet()
            assert first == 0x10, "the first packet is CONNECT"
            await self.script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hostile(script: Script) -> AsyncIterator[Hostile]:
    """The broker on a free port of loopback."""
    broker = Hostile(script)
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        for peer in broker.peers:
            peer.writer.close()
