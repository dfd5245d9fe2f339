"""Register images over Modbus TCP: an independent client reads them, and nothing else can be done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymodbus.client import AsyncModbusTcpClient

from streamforge.adapters import virtual_modbus
from streamforge.adapters.virtual_modbus import VirtualModbus, answer, host_and_port
from streamforge.errors import NotConnected

IMAGE = list(range(1000, 1204))


@asynccontextmanager
async def served() -> AsyncIterator[VirtualModbus]:
    server = VirtualModbus("127.0.0.1:0", {12: lambda: IMAGE})
    await server.open()
    await server.open()
    try:
        yield server
    finally:
        await server.close()
        await server.close()


def test_an_independent_client_reads_the_image() -> None:
    async def main() -> None:
        async with served() as server:
            client = AsyncModbusTcpClient("127.0.0.1", port=server.port)
            assert await client.connect()
            read = await client.read_holding_registers(79, count=125, device_id=12)
            assert read.registers == IMAGE[79:204]
            assert (await client.read_input_registers(203, count=1, device_id=12)).registers == [1203]
            assert (await client.read_holding_registers(203, count=2, device_id=12)).exception_code == 2
            assert (await client.read_holding_registers(0, count=1, device_id=13)).exception_code == 11
            assert (await client.write_register(0, 1, device_id=12)).exception_code == 1
            assert (await client.read_coils(0, count=1, device_id=12)).exception_code == 1
            client.close()

    asyncio.run(main())


@pytest.mark.parametrize("function", [function for function in range(1, 128) if function not in {3, 4}])
def test_no_other_function_does_anything(function: int) -> None:
    assert answer(bytes([12, function, 0, 0, 0, 1]), {12: lambda: IMAGE}) == bytes([12, function | 0x80, 1])


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\0", b"\0\0\0\x7e", b"\0\0\0\1\0"])
def test_a_wrong_count_or_length_is_refused(data: bytes) -> None:
    assert answer(b"\x0c\x03" + data, {12: lambda: IMAGE}) == b"\x0c\x83\x03"


@pytest.mark.parametrize("request_", [b"\0\1\0\1\0\6\1\3\0\0\0\1", b"\0\1\0\0\0\1\1", b"\0\1\0\0\xff\xff"])
def test_who_speaks_no_modbus_is_hung_up_on(request_: bytes) -> None:
    async def main() -> None:
        async with served() as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request_)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()

    asyncio.run(main())


def test_one_client_too_many_costs_the_one_that_is_silent_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_modbus, "MOST_CONNECTIONS", 2)

    async def main() -> None:
        async with served() as server:
            clients = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            for reader, writer in (*clients, clients[0]):
                writer.write(b"\0\1\0\0\0\6\x0c\3\0\0\0\1")
                assert await reader.readexactly(11)
            clients.append(await asyncio.open_connection("127.0.0.1", server.port))
            assert await asyncio.wait_for(clients[1][0].read(), 5) == b""
            for reader, writer in (clients[0], clients[2]):
                writer.write(b"\0\1\0\0\0\6\x0c\3\0\0\0\1")
                assert await reader.readexactly(11)
            for _, writer in clients:
                writer.close()

    asyncio.run(main())


def test_a_taken_address_is_said() -> None:
    async def main() -> None:
        async with served() as server:
            listen = f"127.0.0.1:{server.port}"
            with pytest.raises(NotConnected, match=f"virtual_modbus. {listen}: "):
                await VirtualModbus(listen, {}).open()

    asyncio.run(main())


@pytest.mark.parametrize("listen", ["", "1502", ":1502", "host:", "host:x", "host:70000"])
def test_an_address_has_host_and_port(listen: str) -> None:
    assert host_and_port("[::1]:502") == ("::1", 502)
    with pytest.raises(ValueError, match="is no address"):
        host_and_port(listen)
