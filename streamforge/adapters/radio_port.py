"""The serial port of a radio module: the one place where it is opened, read, written and lost."""

import asyncio
import errno
import os
from contextlib import suppress

import serial

from streamforge.errors import NotConnected

_MOST_BYTES = 4096


class RadioPort:
    """One port. What arrives waits in the kernel until it is asked for, so nothing grows here."""

    def __init__(self, path: str, baud_rate: int) -> None:
        self._path = path
        self._baud_rate = baud_rate
        self._serial: serial.Serial | None = None

    async def open(self) -> None:
        """Open it for this process alone. Raises NotConnected with path and reason."""
        self.close()
        try:
            self._serial = serial.Serial(self._path, self._baud_rate, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, ValueError) as error:  # an unknown path, a port in use, a rate that it does not have
            raise NotConnected(f"{self._path}: {_reason(error)}") from error

    async def read(self, timeout_seconds: float) -> bytes:
        """The next bytes; empty = none came in that time. Raises NotConnected when the port is gone."""
        port = self._serial
        if port is None:
            raise NotConnected(f"{self._path}: not open")
        loop, handle = asyncio.get_running_loop(), port.fileno()
        ready = loop.create_future()
        loop.add_reader(handle, _set, ready)
        try:
            await asyncio.wait_for(ready, timeout_seconds)
        except TimeoutError:
            return b""
        finally:
            loop.remove_reader(handle)
        try:
            chunk = os.read(handle, _MOST_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise NotConnected(f"{self._path}: {_reason(error)}") from error
        if not chunk:
            raise NotConnected(f"{self._path}: unplugged")
        return chunk

    def write(self, data: bytes) -> None:
        """Send a short command. Raises NotConnected."""
        if self._serial is None:
            raise NotConnected(f"{self._path}: not open")
        try:
            self._serial.write(data)
        except OSError as error:
            raise NotConnected(f"{self._path}: {_reason(error)}") from error

    def close(self) -> None:
        """Let the port go; may be called twice."""
        port, self._serial = self._serial, None
        if port is not None:
            with suppress(OSError):
                port.close()


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _reason(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number in {errno.EAGAIN, errno.EBUSY}:
        return "the port is in use by another process"
    return os.strerror(number) if number else str(error)
