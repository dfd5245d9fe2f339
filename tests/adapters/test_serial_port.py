"""A serial port: found by its name, one owner, and what is unplugged comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import serial

from streamforge.adapters.serial_port import Parity, SerialPort, SerialSettings
from streamforge.errors import NotConnected
from tests.adapters.serial_lines import Line, line, right, silent


def run(directory: Path, check: Callable[[Line, SerialPort], Awaitable[None]]) -> None:
    async def main() -> None:
        async with line(directory, silent) as far:
            port = SerialPort(SerialSettings(port=str(far.path)))
            try:
                await check(far, port)
            finally:
                port.close()

    asyncio.run(main())


class Heard:
    """What a port said, and a way to wait for it."""

    def __init__(self, port: SerialPort) -> None:
        self.data, self.lost = bytearray(), list[str]()
        self._news = asyncio.Event()
        port.received, port.lost = self._receive, self._lose

    def _receive(self, data: bytes) -> None:
        self.data += data
        self._news.set()

    def _lose(self, reason: str) -> None:
        self.lost.append(reason)
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5.0):
            while not holds():
                self._news.clear()
                await self._news.wait()


def test_bytes_go_both_ways_unchanged(tmp_path: Path) -> None:
    async def check(far: Line, port: SerialPort) -> None:
        heard = Heard(port)
        await port.open(1.0)
        everything = bytes(range(256))
        far.say(everything)
        await heard.until(lambda: len(heard.data) == 256)
        assert heard.data == everything
        port.write(everything)
        async with asyncio.timeout(5.0):
            while len(far.seen) < 32:
                await asyncio.sleep(0.001)
        assert b"".join(far.requests) == everything

    run(tmp_path, check)


def test_more_than_the_kernel_takes_at_once_is_sent_in_order(tmp_path: Path) -> None:
    async def check(far: Line, port: SerialPort) -> None:
        await port.open(1.0)
        much = b"".join(number.to_bytes(8, "big") for number in range(8000))
        port.write(much[:50_000])
        port.write(much[50_000:])
        async with asyncio.timeout(10.0):
            while len(far.seen) < 8000:
                await asyncio.sleep(0.005)
        assert b"".join(far.requests) == much

    run(tmp_path, check)


def test_a_port_has_one_owner(tmp_path: Path) -> None:
    async def check(far: Line, port: SerialPort) -> None:
        await port.open(1.0)
        second = SerialPort(SerialSettings(port=str(far.path)))
        with pytest.raises(NotConnected, match="usb-FTDI_RS485: the port is in use by another process"):
            await second.open(1.0)
        port.close()
        await second.open(1.0)
        second.close()

    run(tmp_path, check)


def test_unplugging_is_noticed_without_writing_and_the_name_is_followed_anew(tmp_path: Path) -> None:
    async def check(far: Line, port: SerialPort) -> None:
        heard = Heard(port)
        await port.open(1.0)
        far.unplug()
        await heard.until(lambda: bool(heard.lost))
        assert heard.lost[0].startswith("the port is gone: unplugged?")
        assert not port.is_open
        port.write(b"goes nowhere")
        with pytest.raises(NotConnected, match="No such file or directory"):
            await port.open(1.0)
        far.plug()
        await port.open(1.0)
        far.say(b"again")
        await heard.until(lambda: heard.data == b"again")
        assert len(heard.lost) == 1

    run(tmp_path, check)


def test_what_came_before_opening_is_not_read(tmp_path: Path) -> None:
    async def check(far: Line, port: SerialPort) -> None:
        heard = Heard(port)
        far.say(b"old")
        await port.open(1.0)
        far.say(b"new")
        await heard.until(lambda: len(heard.data) >= 3)
        assert heard.data == b"new"

    run(tmp_path, check)


def test_a_name_that_is_no_port_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").write_text("text")
        with pytest.raises(NotConnected, match=r"Inappropriate|ot configure"):
            await SerialPort(SerialSettings(port=str(tmp_path / "file"))).open(1.0)

    asyncio.run(main())


def test_rs485_mode_that_the_port_lacks_says_what_to_set(tmp_path: Path) -> None:
    async def main() -> None:
        async with line(tmp_path, right) as far:
            with pytest.raises(NotConnected, match="set rs485 = false"):
                await SerialPort(SerialSettings(port=str(far.path), rs485=True)).open(1.0)
            port = SerialPort(SerialSettings(port=str(far.path)))
            await port.open(1.0)  # the one that failed has let go
            port.close()

    asyncio.run(main())


def test_modes_are_set_where_the_port_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", lambda _, on: said.append(("low latency", on)))
    monkeypatch.setattr(serial.Serial, "_set_rs485_mode", lambda _, mode: said.append("rs485"))

    async def main() -> None:
        async with line(tmp_path, right) as far:
            port = SerialPort(SerialSettings(port=str(far.path), rs485=True))
            await port.open(1.0)
            port.close()

    asyncio.run(main())
    assert ("low latency", True) in said
    assert "rs485" in said


@pytest.mark.parametrize(
    ("parity", "stop_bits", "bits"), [(Parity.EVEN, 1, 11), (Parity.NONE, 1, 10), (Parity.NONE, 2, 11)]
)
def test_a_character_takes_its_bits(parity: Parity, stop_bits: int, bits: int) -> None:
    settings = SerialSettings(baud_rate=9600, parity=parity, stop_bits=stop_bits)
    assert settings.character_seconds == pytest.approx(bits / 9600)
