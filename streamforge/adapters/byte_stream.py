"""A way for bytes to a device and back, whatever carries them: TCP here, a serial port in `serial_port`."""

import asyncio
import os
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from struct import Struct

from streamforge.errors import NotConnected

CLOSED = "connection closed by the device"
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_TCP_INFO_RTT = Struct("=I")
_TCP_INFO_RTT_AT, _TCP_INFO_BYTES = 68, 104


def _ignore(_: object) -> None:
    return None


class ByteStream(ABC):
    """Bytes that arrive go to `received`; that the other end is gone is said to `lost`, once, in plain words."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.received: Callable[[bytes], None] = _ignore
        self.lost: Callable[[str], None] = _ignore

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Bytes can be written, as far as this end knows."""

    @abstractmethod
    async def open(self, timeout_seconds: float) -> None:
        """Open it anew. Raises NotConnected with address and reason."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send; never waits. What cannot be sent because the other end is gone is said to `lost`."""

    @abstractmethod
    def close(self) -> None:
        """Let go; may be called at any time, also twice. Says nothing to `lost`."""

    @property
    def round_trip_seconds(self) -> float:
        """How long the way there and back takes, without the device's own time; 0 = unknown or next to nothing."""
        return 0.0

    def not_connected(self, reason: str) -> NotConnected:
        """The error that names this address."""
        return NotConnected(f"{self.address}: {reason}")


class TcpStream(ByteStream):
    """One TCP connection."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port}")
        self._host, self._port = host, port
        self._connection: _Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def open(self, timeout_seconds: float) -> None:
        self.close()
        connection = _Connection(self)
        try:
            async with asyncio.timeout(timeout_seconds):
                await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        except TimeoutError as error:
            raise self.not_connected(f"no connection within {timeout_seconds:g} s") from error
        except OSError as error:
            raise self.not_connected(plain_words(error)) from error
        self._connection = connection

    def write(self, data: bytes) -> None:
        if self._connection:
            self._connection.transport.write(data)

    def close(self) -> None:
        if self._connection:
            self._connection.transport.abort()
            self._connection = None

    @property
    def round_trip_seconds(self) -> float:
        """The kernel's own measure, which no busy event loop disturbs."""
        wire = self._connection and self._connection.transport.get_extra_info("socket")
        if not wire:
            return 0.0
        info = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return float(_TCP_INFO_RTT.unpack_from(info, _TCP_INFO_RTT_AT)[0]) / 1_000_000

    def forget(self, connection: "_Connection", reason: str) -> None:
        """The connection is gone by itself."""
        if connection is self._connection:
            self._connection = None
            self.lost(reason)


class _Connection(asyncio.Protocol):
    def __init__(self, stream: TcpStream) -> None:
        self._stream = stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection promises
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._stream.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream.forget(self, plain_words(exc) if isinstance(exc, OSError) else CLOSED)


def plain_words(error: OSError) -> str:
    """What the operating system says of it, where asyncio says "Connect call failed" (or several of them in one)."""
    number = error.errno or int((_ERRNO.search(str(error)) or [0, 0])[1])
    return os.strerror(number) if number > 0 else error.strerror or str(error)
