"""One UDP address that is listened to: datagrams wait in a bounded queue, and what does not fit is counted."""

import asyncio
from typing import Any

from streamforge.errors import NotConnected

MOST_WAITING = 1_024

Address = tuple[Any, ...]


class UdpPort(asyncio.DatagramProtocol):
    """Bound by `open`; errors of single datagrams end nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue(MOST_WAITING)
        self.dropped = 0

    @property
    def port(self) -> int:
        """The port that it is bound to; 0 = none."""
        port: int = self._transport.get_extra_info("sockname")[1] if self._transport else 0
        return port

    async def open(self) -> None:
        """Bind the address, if it is not yet. Raises NotConnected where it cannot be had."""
        if self._transport is not None:
            return
        loop, address = asyncio.get_running_loop(), (self._host, self._port)
        try:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address)
        except OSError as error:
            raise NotConnected(f"{self._host}:{self._port}: {error.strerror or error}") from error

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """A datagram came."""
        try:
            self._waiting.put_nowait((data, addr))
        except asyncio.QueueFull:
            self.dropped += 1

    async def read(self, timeout_seconds: float) -> tuple[bytes, Address] | None:
        """The next datagram and who sent it; None = none came in that time."""
        try:
            async with asyncio.timeout(timeout_seconds):  # wait_for of Python 3.11 may swallow that it is cancelled
                return await self._waiting.get()
        except TimeoutError:
            return None

    def write(self, data: bytes, address: Address) -> None:
        """Send a datagram; whether it arrives is not known."""
        if self._transport is not None:
            self._transport.sendto(data, address)

    def close(self) -> None:
        """Let the address go; may be called twice."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
