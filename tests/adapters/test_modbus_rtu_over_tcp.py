"""Serial frames in TCP, from a plain converter: the same care as on the line, over another way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from math import isnan

import pytest

from streamforge.adapters.modbus_config import RegisterRow
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.modbus_tcp_config import Framer
from streamforge.errors import NotConnected
from tests.adapters.modbus_bench import HASTY_MS, PATIENT_MS, config, pump
from tests.adapters.serial_lines import REQUEST_BYTES, Script, answer, right, silent

OTHER = pump(RegisterRow(param="flow", at="HR90"), asset_id="well")


@dataclass
class Converter:
    """A TCP door to a serial line whose far end is scripted."""

    script: Script
    seen: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readexactly(REQUEST_BYTES)
                self.seen.append(request)
                for delay_seconds, data in self.script(request):
                    await asyncio.sleep(delay_seconds)
                    writer.write(data)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def converter(script: Script) -> AsyncIterator[Converter]:
    door = Converter(script)
    server = await asyncio.start_server(door.serve, "127.0.0.1", 0)
    door.port = server.sockets[0].getsockname()[1]
    try:
        yield door
    finally:
        server.close()


def run(script: Script, check: Callable[[ModbusTcp, Converter], Awaitable[None]], timeout_ms: int = PATIENT_MS) -> None:
    async def main() -> None:
        async with converter(script) as door:
            settings = config(door.port, pump(), OTHER, timeout_ms=timeout_ms)
            modbus = ModbusTcp(replace(settings, source=replace(settings.source, framer=Framer.RTU)))
            try:
                await modbus.connect(modbus.devices[0])
                await check(modbus, door)
            finally:
                await modbus.close()

    asyncio.run(main())


async def values(modbus: ModbusTcp, place: int) -> tuple[float, ...]:
    return tuple((await modbus.poll(modbus.devices[place])).values)


@pytest.mark.parametrize(
    "script",
    [
        right,
        lambda r: [(0.0, r), (0.01, answer(r))],
        lambda r: [(0.0, b"\x00\xff"), (0.01, answer(r))],
        lambda r: [(0.01, answer(r)[:3]), (0.01, answer(r)[3:])],
    ],
    ids=["right", "echo", "noise before", "in pieces"],
)
def test_an_answer_is_read(script: Script) -> None:
    async def check(modbus: ModbusTcp, door: Converter) -> None:
        for _ in range(2):
            assert (await values(modbus, 0), await values(modbus, 1)) == ((7,), (90,))
        assert {request[1] for request in door.seen} == {3}

    run(script, check)


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    async def check(modbus: ModbusTcp, door: Converter) -> None:
        assert isnan((await values(modbus, 0))[0])
        door.script = right
        assert await values(modbus, 1) == (90,)

    run(lambda r: [(HASTY_MS / 1000 * 1.4, answer(r))], check, timeout_ms=HASTY_MS)


def test_silence_of_all_units_is_the_loss_of_the_connection() -> None:
    async def check(modbus: ModbusTcp, door: Converter) -> None:
        for _ in range(2):
            await modbus.poll(modbus.devices[0])
        with pytest.raises(NotConnected, match="no answer to 3 requests"):
            await modbus.poll(modbus.devices[0])

    run(silent, check, timeout_ms=50)
