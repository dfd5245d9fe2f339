"""A broker that keeps one subscriber busy: so many messages of QoS 1 under way, a new one for each acknowledgement.

It speaks of MQTT 3.1.1 and 5 what a subscriber needs: CONNECT, SUBSCRIBE, PUBACK, PINGREQ. All messages are made before
the first is sent, and only their numbers are written in: it measures the one who subscribed.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, cycle

CONNECT, PUBACK, SUBSCRIBE, PINGREQ = 0x10, 0x40, 0x80, 0xC0
_PUBLISH_QOS_1 = 0x32
_MOST_IDS = 65_535
Message = tuple[str, bytes]
"""Topic and payload."""


def run(port: int, under_way: int, first: Sequence[Message], again: Sequence[Message]) -> None:
    """Send `first` once and `again` for ever to each who subscribes, until killed."""
    asyncio.run(_serve(port, under_way, first, again))


def plant() -> list[Message]:
    """A number of each of 50 parameters of 20 assets."""
    return [(f"plant/asset_{a}/p{p}", f"{a}.{p:02}".encode()) for p in range(50) for a in range(20)]


async def _serve(port: int, under_way: int, first: Sequence[Message], again: Sequence[Message]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Subscriber(under_way, first, again), "127.0.0.1", port)
    await server.serve_forever()


class Subscriber(asyncio.Protocol):
    """One connection."""

    def __init__(self, under_way: int, first: Sequence[Message], again: Sequence[Message]) -> None:
        self._under_way, self._first, self._again = under_way, first, again
        self._pending = b""
        self._is_v5 = False
        self._packets: Iterator[bytes] = iter(())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        data, acknowledged = self._pending + data, 0
        while (size := _size(data)) and len(data) >= size:
            if data[0] == PUBACK:
                acknowledged += 1
            else:
                self._answer(data[0], data[:size])
            data = data[size:]
        self._pending = data
        self._send(acknowledged)

    def _answer(self, first: int, packet: bytes) -> None:
        body = packet[_head(packet) :]
        if first == CONNECT:
            self._is_v5 = body[6] == 5  # behind the name "MQTT" and its length
            self._transport.write(b"\x20\x03\0\0\0" if self._is_v5 else b"\x20\x02\0\0")
        elif first & 0xF0 == SUBSCRIBE:
            granted = b"\x01" * _filters(body[2 + self._is_v5 :])
            properties = b"\0" * self._is_v5
            self._transport.write(_packet(0x90, body[:2] + properties + granted))
            self._packets = self._numbered()
            self._send(self._under_way)
        elif first == PINGREQ:
            self._transport.write(b"\xd0\0")

    def _send(self, count: int) -> None:
        if count:
            self._transport.write(b"".join(packet for _, packet in zip(range(count), self._packets, strict=False)))

    def _numbered(self) -> Iterator[bytes]:
        """The messages without end, each with a packet identifier that no other under way has."""
        properties = b"\0" * self._is_v5
        parts = ([_parts(message, properties) for message in messages] for messages in (self._first, self._again))
        first, again = parts
        for number, (head, tail) in enumerate(chain(first, cycle(again))):
            yield head + (number % _MOST_IDS + 1).to_bytes(2, "big") + tail


def _parts(message: Message, properties: bytes) -> tuple[bytes, bytes]:
    """A PUBLISH before and behind its packet identifier."""
    topic = message[0].encode()
    head, tail = len(topic).to_bytes(2, "big") + topic, properties + message[1]
    return _packet(_PUBLISH_QOS_1, head + b"\0\0" + tail)[: -len(tail) - 2], tail


def _packet(first: int, body: bytes) -> bytes:
    length, size = len(body), b""
    while not size or length:
        size += bytes([length % 128 | (128 if length > 127 else 0)])
        length //= 128
    return bytes([first]) + size + body


def _head(data: bytes) -> int:
    """Bytes of the fixed header; 0 = it is not all there."""
    at = next((at for at in range(1, min(len(data), 5)) if data[at] < 128), 0)
    return at + 1 if at else 0


def _size(data: bytes) -> int:
    """Bytes of the first packet; 0 = not even its length is there."""
    head = _head(data)
    return head + sum((byte & 127) << 7 * at for at, byte in enumerate(data[1:head])) if head else 0


def _filters(body: bytes) -> int:
    """How many a SUBSCRIBE has."""
    count = 0
    while body:
        body, count = body[3 + int.from_bytes(body[:2], "big") :], count + 1
    return count
