"""A serial line without hardware: a pty pair, its far end scripted, its near end under a name like /dev/serial/by-id/x.

Nothing here knows the adapter: frames and CRC are the test's own.
"""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

REQUEST_BYTES = 8

# What a device sends for a request: bytes, each after so many seconds counted from the last.
Sends = list[tuple[float, bytes]]
Script = Callable[[bytes], Sends]


@dataclass
class Line:
    """The far end. `seen` holds each request with the time at which it was complete, `stray` what was no request."""

    path: Path
    script: Script
    seen: list[tuple[float, bytes]] = field(default_factory=list)
    sent_seconds: float = 0.0
    echoes: bool = False
    loop: asyncio.AbstractEventLoop | None = None
    _master: int = -1
    _slave: int = -1
    _buffer: bytearray = field(default_factory=bytearray)
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def requests(self) -> list[bytes]:
        return [request for _, request in self.seen]

    def plug(self) -> None:
        """A new device node, as after each plugging in, under the name that stays."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        self._buffer.clear()
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self._master, self._read)

    def unplug(self) -> None:
        """The node is gone, and whoever has it open hears of it."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        self.path.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def say(self, data: bytes) -> None:
        """Send this; no bytes = the converter is pulled and put back."""
        if not data:
            self.unplug()
            self.plug()
            return
        self.sent_seconds = monotonic()
        os.write(self._master, data)

    def _read(self) -> None:
        self._buffer += os.read(self._master, 4096)
        while len(self._buffer) >= REQUEST_BYTES:
            request = bytes(self._buffer[:REQUEST_BYTES])
            del self._buffer[:REQUEST_BYTES]
            self.seen.append((monotonic(), request))
            if self.echoes:
                self.say(request)
            task = asyncio.get_running_loop().create_task(self._answer(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: bytes) -> None:
        """One request after the other, as devices do: what is late delays what follows."""
        sends = self.script(request)
        async with self._busy:
            for delay_seconds, data in sends:
                await asyncio.sleep(delay_seconds)
                if self._master >= 0:
                    self.say(data)

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.unplug()


@asynccontextmanager
async def line(directory: Path, script: Script) -> AsyncIterator[Line]:
    """A line that is plugged in."""
    far = Line(directory / "usb-FTDI_RS485", script)
    far.plug()
    try:
        yield far
    finally:
        await far.end()


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS bit by bit, as the specification writes it."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return bytes([value & 0xFF, value >> 8])


def sealed(body: bytes) -> bytes:
    return body + crc(body)


def answer(request: bytes, *, function: int | None = None, count: int | None = None, add: int = 0) -> bytes:
    """The right answer (register n holds n + `add`, bit n is n odd), or one of another function or length."""
    start, asked = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
    code = request[1] if function is None else function
    wanted = range(start, start + (asked if count is None else count))
    if code <= 2:
        data = sum((n & 1) << i for i, n in enumerate(wanted)).to_bytes((len(wanted) + 7) // 8, "little")
    else:
        data = b"".join((n + add & 0xFFFF).to_bytes(2, "big") for n in wanted)
    return sealed(bytes([request[0], code, len(data)]) + data)


def refusal(request: bytes, code: int) -> bytes:
    return sealed(bytes([request[0], request[1] | 0x80, code]))


def right(request: bytes) -> Sends:
    return [(0.0, answer(request))]


def silent(request: bytes) -> Sends:
    return []
