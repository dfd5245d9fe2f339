"""Whoever waits for a port can be stopped at any moment, also in the very one in which something comes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from streamforge.adapters.radio_port import RadioPort
from streamforge.adapters.udp_port import UdpPort
from tests.adapters.radio_peers import Pty


async def _stopped(read: Callable[[], Awaitable[object]], comes: Callable[[], None]) -> None:
    """Stop a reader as something comes."""

    async def wait() -> None:
        await read()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    comes()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


def test_a_reader_of_datagrams() -> None:
    async def main() -> None:
        port = UdpPort("127.0.0.1", 0)
        await _stopped(lambda: port.read(5.0), lambda: port.datagram_received(b"x", ("127.0.0.1", 1)))
        assert await port.read(0.0) == (b"x", ("127.0.0.1", 1)), "what came is still there"
        assert await port.read(0.0) is None

    asyncio.run(main())


def test_a_reader_of_a_serial_port() -> None:
    async def main() -> None:
        far = Pty()
        port = RadioPort(far.path, 9600)
        await port.open()
        await _stopped(lambda: port.read(5.0), lambda: port._received(b"x"))
        assert await port.read(0.0) == b"x", "what came is still there"
        port.close()
        far.unplug()

    asyncio.run(main())
