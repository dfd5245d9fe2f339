"""What the tests of the Modbus adapter share: a small configuration, an adapter against a server that is wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import isnan

from streamforge.adapters.base import Batch
from streamforge.adapters.modbus_config import RegisterRow
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.modbus_tcp_config import DeviceRow, ModbusTcpConfig, Source
from streamforge.model import Quality
from tests.adapters.peers import Behaviour, Hostile, hostile

LOOPBACK = "127.0.0.1"
PATIENT_MS = 5000  # a busy machine must not look like a silent device
HASTY_MS = 250  # where silence is what the test waits for


def config(port: int, *devices: DeviceRow, timeout_ms: int = PATIENT_MS) -> ModbusTcpConfig:
    return ModbusTcpConfig(source=Source(host=LOOPBACK, port=port, timeout_ms=timeout_ms), devices=devices)


def pump(*tags: RegisterRow, unit_id: int = 1, asset_id: str = "pump") -> DeviceRow:
    return DeviceRow(asset_id=asset_id, unit_id=unit_id, tags=tags or (RegisterRow(param="level", at="HR7"),))


@asynccontextmanager
async def adapter(settings: ModbusTcpConfig) -> AsyncIterator[ModbusTcp]:
    modbus = ModbusTcp(settings)
    try:
        yield modbus
    finally:
        await modbus.close()


async def poll_once(modbus: ModbusTcp) -> Batch:
    await modbus.connect(modbus.devices[0])
    return await modbus.poll(modbus.devices[0])


def run_hostile(
    behave: Behaviour,
    check: Callable[[ModbusTcp, Hostile], Awaitable[None]],
    *devices: DeviceRow,
    timeout_ms: int = PATIENT_MS,
) -> None:
    async def main() -> None:
        async with hostile(behave) as peer:
            settings = config(peer.port, *(devices or (pump(),)), timeout_ms=timeout_ms)
            async with adapter(settings) as modbus:
                await check(modbus, peer)

    asyncio.run(main())


def spoiled(batch: Batch, quality: Quality, reason: str) -> None:
    """Every reading is null, of this quality, for this reason."""
    assert all(isnan(value) for value in batch.values)
    assert batch.others == dict.fromkeys(range(len(batch.values)))
    assert batch.qualities == bytes([quality]) * len(batch.values)
    assert {why.split(":")[0] for why in batch.reasons.values()} == {reason}
