"""Both Modbus adapters against libmodbus, which shares no code with ours: strict ranges, units that hear each other."""

import asyncio
from dataclasses import replace

import pytest

from streamforge.adapters.base import Batch
from streamforge.adapters.modbus_config import RegisterRow, UnitRow
from streamforge.adapters.modbus_poller import ModbusPoller
from streamforge.adapters.modbus_rtu import ModbusRtu
from streamforge.adapters.modbus_rtu_config import LineSource, ModbusRtuConfig
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.tags import DataType
from streamforge.model import Quality
from tests.adapters.libmodbus import rtu_servers, tcp_server
from tests.adapters.modbus_bench import config, pump

TAGS = (
    RegisterRow(param="coil", at="CO3"),
    RegisterRow(param="input", at="DI4"),
    RegisterRow(param="flow", at="IR50"),
    RegisterRow(param="total", at="HR7", type=DataType.UINT32),
)
VALUES = (1, 0, 1050, 0x0007_0008)
# The last two stand past the server's end, in the middle of what one request reads.
PAST_THE_END = tuple(RegisterRow(param=f"p{at}", at=f"HR{at}") for at in (*range(100, 122), 5))


async def scans(modbus: ModbusPoller[ModbusRtuConfig] | ModbusTcp, times: int = 1) -> list[Batch]:
    """The last scan of each device."""
    for _ in range(times):
        found = []
        for device in modbus.devices:
            await modbus.connect(device)
            found.append(await modbus.poll(device))
    await modbus.close()
    return found


def right_but_for_the_end(batch: Batch) -> None:
    places = (*range(100, 122), 5)
    assert [value for value, at in zip(batch.values, places, strict=True) if at < 120] == [
        at for at in places if at < 120
    ]
    assert batch.qualities == bytes(Quality.BAD if at >= 120 else Quality.GOOD for at in places)
    assert {reason.split(":")[0] for reason in batch.reasons.values()} == {"config_error"}


def test_tcp(unused_tcp_port: int) -> None:
    async def main() -> None:
        async with tcp_server(unused_tcp_port) as said:
            devices = (pump(*TAGS), replace(pump(*PAST_THE_END), asset_id="end"))
            first, second = await scans(ModbusTcp(config(unused_tcp_port, *devices)), times=3)
            assert first.values == VALUES
            right_but_for_the_end(second)
            assert said() == [], "nobody asked for anything but to read"

    asyncio.run(main())


@pytest.mark.parametrize("units", [(1,), (1, 2, 17)])
def test_rtu_with_units_that_hear_each_other(units: tuple[int, ...]) -> None:
    async def main() -> None:
        async with rtu_servers(*units) as (path, said):
            rows = [UnitRow(asset_id=f"m{unit}", unit_id=unit, tags=TAGS) for unit in units]
            rows.append(UnitRow(asset_id="end", unit_id=units[-1], tags=PAST_THE_END))
            source = LineSource(port=path, baud_rate=115_200, timeout_ms=2000)
            *whole, end = await scans(ModbusRtu(ModbusRtuConfig(source=source, devices=tuple(rows))), times=3)
            assert [batch.values for batch in whole] == [VALUES] * len(units)
            right_but_for_the_end(end)
            assert [words() for words in said] == [[]] * len(units)

    asyncio.run(main())
