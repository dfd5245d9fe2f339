"""A serial port on the event loop, for every protocol that speaks over one.

pyserial opens and sets up the port; reading and writing are the event loop's. A port is opened exclusively: a second
process on one line would take the first one's answers. It is best named by its id (`/dev/serial/by-id/...`), which
stays the same whichever socket the converter is plugged into; each opening follows the name anew, so a converter that
was pulled and put back is found again.
"""

import asyncio
import errno
import os
import termios
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import serial
from serial.rs485 import RS485Settings

from streamforge.adapters.byte_stream import ByteStream, plain_words
from streamforge.config import Bounds

UNPLUGGED = "the port is gone: unplugged?"
IN_USE = "the port is in use by another process"
NO_RS485 = "the port has no RS-485 mode of its own: set rs485 = false (most converters switch by themselves)"
_CHUNK_BYTES = 4096
_PSEUDO_TERMINALS = range(136, 144)  # the kernel's numbers; the simulated plant's line is one, and has no parity bit
_START_BITS, _DATA_BITS = 1, 8


class Parity(StrEnum):
    """The parity bit of a character."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


@dataclass(frozen=True, kw_only=True)  # no slots: a protocol's `Source` inherits it beside another base
class SerialSettings:
    """A port and how characters go over it. `rs485` = the port itself must switch the driver for sending."""

    port: str = ""
    baud_rate: Annotated[int, Bounds(300, 4_000_000)] = 19_200
    parity: Parity = Parity.EVEN
    stop_bits: Annotated[int, Bounds(1, 2)] = 1
    rs485: bool = False

    @property
    def character_seconds(self) -> float:
        """How long one character takes on the wire."""
        bits = _START_BITS + _DATA_BITS + (self.parity is not Parity.NONE) + self.stop_bits
        return bits / self.baud_rate


class SerialPort(ByteStream):
    """The port, for as long as it is there."""

    def __init__(self, settings: SerialSettings) -> None:
        super().__init__(settings.port)
        self._settings = settings
        self._serial: serial.Serial | None = None
        self._unsent = bytearray()

    @property
    def is_open(self) -> bool:
        return self._serial is not None

    async def open(self, timeout_seconds: float) -> None:  # noqa: ARG002 - opening a port does not wait
        self.close()
        try:
            port = self._new()
        except OSError as error:
            raise self.not_connected(plain_words(error)) from error
        try:
            port.open()
            self._set_up(port)
        except OSError as error:
            port.close()
            is_locked = error.errno in {errno.EWOULDBLOCK, errno.EBUSY}
            raise self.not_connected(IN_USE if is_locked else plain_words(error)) from error
        except (ValueError, termios.error) as error:  # a port that is none, or cannot do what is asked for
            port.close()
            raise self.not_connected(str(error)) from error
        self._serial = port
        asyncio.get_running_loop().add_reader(port.fd, self._read)

    def _new(self) -> serial.Serial:
        settings = self._settings
        is_pseudo = os.major(Path(settings.port).stat().st_rdev) in _PSEUDO_TERMINALS
        parity = Parity.NONE if is_pseudo else settings.parity
        port = serial.Serial(
            baudrate=settings.baud_rate, parity=parity.value, stopbits=settings.stop_bits,
            timeout=0, write_timeout=0, exclusive=True,
        )  # fmt: skip
        port.port = settings.port
        return port

    def _set_up(self, port: serial.Serial) -> None:
        if self._settings.rs485:
            try:
                port.rs485_mode = RS485Settings()
            except ValueError as error:
                raise ValueError(NO_RS485) from error
        # Without it FTDI's chips keep what they received for up to 16 ms; ports that know no such mode need none.
        with suppress(ValueError):
            port.set_low_latency_mode(True)
        # An empty read must mean that the port is gone, not that nothing has come.
        attributes = termios.tcgetattr(port.fd)
        attributes[6][termios.VMIN] = 1
        termios.tcsetattr(port.fd, termios.TCSANOW, attributes)
        termios.tcflush(port.fd, termios.TCIFLUSH)

    def write(self, data: bytes) -> None:
        if self._serial is None:
            return
        is_waiting = bool(self._unsent)
        self._unsent += data
        if not is_waiting:
            self._send()

    def _send(self) -> None:
        port = self._serial
        if port is None:
            return
        try:
            del self._unsent[: os.write(port.fd, self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._lose()
            return
        loop = asyncio.get_running_loop()
        if self._unsent:
            loop.add_writer(port.fd, self._send)
        else:
            loop.remove_writer(port.fd)

    def _read(self) -> None:
        if self._serial is None:
            return
        try:
            data = os.read(self._serial.fd, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._lose()
            return
        if data:
            self.received(data)
        else:
            self._lose()

    def _lose(self) -> None:
        self.close()
        self.lost(UNPLUGGED)

    def close(self) -> None:
        port, self._serial = self._serial, None
        self._unsent.clear()
        if port is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(port.fd)
        loop.remove_writer(port.fd)
        with suppress(OSError):
            port.close()
