"""The plant's serial line: the same machines and values as over TCP, and silence where a line is silent."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.adapters.modbus_rtu import ModbusRtu
from streamforge.adapters.modbus_rtu_config import LineSource, ModbusRtuConfig
from streamforge.adapters.modbus_tcp_config import ModbusTcpConfig
from streamforge.config import load
from streamforge.errors import NotConnected
from streamforge.sim.line import Line, crc16
from streamforge.sim.plant import Plant
from tests.sim.test_plant import CONFIGURATION, NOW, same, unit_of


def adapter(path: Path, timeout_ms: int = 5000) -> ModbusRtu:
    """Reads the plant's machines, by the demo's rows, over its line."""
    rows = load(CONFIGURATION, ModbusTcpConfig).devices
    source = LineSource(port=str(path), baud_rate=115_200, timeout_ms=timeout_ms)
    return ModbusRtu(ModbusRtuConfig(source=source, devices=rows))


def test_every_point_is_read_over_the_line_and_the_line_can_be_pulled(tmp_path: Path) -> None:
    plant = Plant(started=NOW)

    async def main() -> None:
        line = Line(tmp_path / "line", lambda *asked: plant.answer(NOW, *asked))
        modbus = adapter(tmp_path / "line")
        for device in modbus.devices:
            await modbus.connect(device)
            batch = await modbus.poll(device)
            assert batch.qualities == b""
            truth = plant.values(unit_of(device.asset_id), NOW)
            for index, name in enumerate(batch.names.parameters):
                same(batch.others.get(index, batch.values[index]), truth[name], batch.names.kinds[index], name)
        line.close()
        with pytest.raises(NotConnected, match="the port is gone"):
            await modbus.poll(modbus.devices[0])
        with pytest.raises(NotConnected, match="No such file"):
            await modbus.connect(modbus.devices[0])

    asyncio.run(main())


def test_a_unit_that_is_not_there_is_silent(tmp_path: Path) -> None:
    plant = Plant(started=NOW)

    async def main() -> None:
        line = Line(tmp_path / "line", lambda *asked: plant.answer(NOW, *asked))
        modbus = adapter(tmp_path / "line", timeout_ms=50)
        absent = replace(modbus.config.devices[0], unit_id=99)
        modbus = ModbusRtu(replace(modbus.config, devices=(absent,)))
        await modbus.connect(modbus.devices[0])
        assert set((await modbus.poll(modbus.devices[0])).reasons.values()) == {"timeout"}
        await modbus.close()
        line.close()

    asyncio.run(main())


def test_its_checksum_is_that_of_the_specification() -> None:
    assert crc16(bytes.fromhex("1103006b0003")) == bytes.fromhex("7687")
