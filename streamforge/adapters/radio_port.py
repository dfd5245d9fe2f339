"""The serial port of a radio module, read in turns: what arrives waits here until it is asked for."""

import asyncio
from contextlib import suppress

from streamforge.adapters.serial_port import Parity, SerialPort, SerialSettings

# Beyond this nobody reads any more; a module sends 12 kB a second at the most.
MOST_WAITING_BYTES = 1 << 20


class RadioPort:
    """One port without parity, as radio modules have it."""

    def __init__(self, path: str, baud_rate: int) -> None:
        self._port = SerialPort(SerialSettings(port=path, baud_rate=baud_rate, parity=Parity.NONE))
        self._port.received = self._received
        self._port.lost = self._lost
        self._waiting = bytearray()
        self._gone = ""
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Open it for this process alone. Raises NotConnected with path and reason."""
        self._waiting.clear()
        self._gone = ""
        await self._port.open(0.0)

    def _received(self, data: bytes) -> None:
        if len(self._waiting) < MOST_WAITING_BYTES:
            self._waiting += data
        self._changed.set()

    def _lost(self, reason: str) -> None:
        self._gone = reason
        self._changed.set()

    async def read(self, timeout_seconds: float) -> bytes:
        """The next bytes; empty = none came in that time. Raises NotConnected when the port is gone."""
        if not self._waiting and self._port.is_open:
            self._changed.clear()
            with suppress(TimeoutError):  # not wait_for: that of Python 3.11 may swallow that it is cancelled
                async with asyncio.timeout(timeout_seconds):
                    await self._changed.wait()
        else:
            await asyncio.sleep(0)
        if not self._waiting and not self._port.is_open:
            raise self._port.not_connected(self._gone or "not open")
        chunk = bytes(self._waiting)
        self._waiting.clear()
        return chunk

    def write(self, data: bytes) -> None:
        """Send a short command. Raises NotConnected."""
        if not self._port.is_open:
            raise self._port.not_connected(self._gone or "not open")
        self._port.write(data)

    def close(self) -> None:
        """Let the port go; may be called twice."""
        self._port.close()
