"""The simulated plant, read by the adapter as the demo reads it: every point shows what the machine has."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.modbus_tcp_config import ModbusTcpConfig
from streamforge.config import load
from streamforge.model import Kind, Quality
from streamforge.sim.faults import FAULT_SECONDS, PAUSE_SECONDS, ROTATION, SLOT_SECONDS, Trouble, fault_at
from streamforge.sim.plant import ASSETS, COMMISSIONED, DEFAULT_SEED, SLOW_SECONDS, Plant
from streamforge.sim.server import Connection

NOW = COMMISSIONED + 28_001_234.5
CONFIGURATION = Path(__file__).parents[2] / "rootfs/usr/share/streamforge/sim/adapters/modbus-tcp/plant.toml"


@contextlib.asynccontextmanager
async def reading(plant: Plant, now: float, timeout_ms: int = 5000) -> AsyncIterator[ModbusTcp]:
    """An adapter with the demo's configuration, connected to a plant that stands still at `now`."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(lambda *asked: plant.answer(now, *asked), set()), "127.0.0.1", 0
    )
    settings = load(CONFIGURATION, ModbusTcpConfig)
    port = server.sockets[0].getsockname()[1]
    modbus = ModbusTcp(replace(settings, source=replace(settings.source, port=port, timeout_ms=timeout_ms)))
    for device in modbus.devices:
        await modbus.connect(device)
    try:
        yield modbus
    finally:
        await modbus.close()
        server.close()


def test_the_demo_reads_every_point_and_its_true_value() -> None:
    plant = Plant(started=NOW)

    async def main() -> int:
        count = 0
        async with reading(plant, NOW) as modbus:
            for device in modbus.devices:
                batch = await modbus.poll(device)
                assert batch.qualities == b""
                truth = plant.values(unit_of(device.asset_id), NOW)
                for index, name in enumerate(batch.names.parameters):
                    count += 1
                    same(batch.others.get(index, batch.values[index]), truth[name], batch.names.kinds[index], name)
        return count

    assert asyncio.run(main()) == sum(len(asset.points) for asset in ASSETS) >= 60


def unit_of(asset_id: str) -> int:
    return next(asset.unit_id for asset in ASSETS if asset.asset_id == asset_id)


def same(read: object, true: float | str, kind: int, name: str) -> None:
    """Equal, within what the register's resolution leaves of a number."""
    if kind in {Kind.STRING, Kind.BOOLEAN}:
        assert read == true, name
    else:
        resolution = 0.11 if kind == Kind.DOUBLE else 0.51
        assert read == pytest.approx(true, abs=resolution, rel=1e-6), name


def test_the_same_seed_and_time_show_the_same_plant() -> None:
    for asset in ASSETS:
        assert asset.values(NOW, COMMISSIONED, 3) == asset.values(NOW, COMMISSIONED, 3)
        assert asset.values(NOW, COMMISSIONED, 3) != asset.values(NOW, COMMISSIONED, 4)


def test_physics_stays_within_its_bounds_and_counters_only_grow() -> None:
    plant = Plant(started=NOW)
    before: dict[str, float] = {}
    for second in range(0, 7200, 3):
        pump, boiler, line = (plant.values(unit_id, NOW + second) for unit_id in (1, 2, 3))
        assert 550 < float(pump["level"]) < 2450
        assert not (pump["pump_1_running"] and pump["pump_2_running"])
        assert 145 < float(boiler["steam_temperature"]) < 200
        assert boiler["flame_on"] or boiler["burner_power"] == 0
        assert 0 <= float(line["line_speed"]) < 125
        counters = {
            "starts": float(pump["pump_1_starts"]) + float(pump["pump_2_starts"]),
            "energy": float(pump["energy"]),
            "gas": float(boiler["gas_volume"]),
            "good": float(line["good_count"]),
        }
        assert all(counters[name] >= value for name, value in before.items())
        before = counters


def test_the_boiler_finds_its_set_point() -> None:
    plant = Plant(started=NOW)
    boiler = plant.values(2, NOW - NOW % 1800 + 599)
    assert abs(float(boiler["steam_temperature"]) - float(boiler["set_point"])) < 2.0


def test_a_clock_before_the_plant_was_built_does_no_harm() -> None:
    assert Plant(started=100.0).answer(100.0, 1, 3, 0, 10).data != 0


def slot_of(trouble: Trouble) -> float:
    """Seconds after the start at which this trouble first begins."""
    return ROTATION.index(trouble) * SLOT_SECONDS + PAUSE_SECONDS


def test_every_trouble_comes_in_turn_with_a_pause_before_it() -> None:
    slots = range(len(ROTATION) * 3)
    faults = [fault_at(slot * SLOT_SECONDS + PAUSE_SECONDS, 3, DEFAULT_SEED) for slot in slots]
    assert [fault.trouble for fault in faults if fault] == list(ROTATION) * 3
    assert {fault.unit_id for fault in faults if fault} == {1, 2, 3}
    assert fault_at(PAUSE_SECONDS - 1, 3, DEFAULT_SEED) is None


@pytest.mark.parametrize(
    ("trouble", "quality", "reason"),
    [
        (Trouble.SILENCE, Quality.UNCERTAIN, "timeout"),
        (Trouble.EXCEPTION, Quality.BAD, "device_failure"),
        (Trouble.SLOW, Quality.UNCERTAIN, "timeout"),
    ],
)
def test_the_adapter_sees_a_fault_as_quality_of_that_machine_alone(
    trouble: Trouble, quality: Quality, reason: str
) -> None:
    plant = Plant(started=NOW, has_faults=True)
    now = NOW + slot_of(trouble) + 1
    fault = plant.fault(now)
    assert fault
    assert fault.trouble == trouble

    async def main() -> None:
        async with reading(plant, now, timeout_ms=400) as modbus:
            for asset in ASSETS:
                device = next(device for device in modbus.devices if device.key == asset.asset_id)
                batch = await modbus.poll(device)
                if asset.unit_id != fault.unit_id:
                    assert batch.qualities == b""
                else:
                    assert batch.qualities == bytes([quality]) * len(batch.values)
                    assert {why.split(":")[0] for why in batch.reasons.values()} == {reason}

    asyncio.run(main())


def test_a_slow_answer_comes_within_the_demo_s_patience() -> None:
    assert load(CONFIGURATION, ModbusTcpConfig).source.timeout_ms / 1000 > SLOW_SECONDS


def test_wild_values_are_wild() -> None:
    plant = Plant(started=NOW, has_faults=True)
    at = NOW + slot_of(Trouble.OUT_OF_RANGE) + 1
    fault = plant.fault(at)
    assert fault
    assert plant.values(fault.unit_id, at) != Plant(started=NOW).values(fault.unit_id, at)


def test_a_reboot_restarts_the_counters() -> None:
    plant = Plant(started=NOW, has_faults=True)
    begin = NOW + slot_of(Trouble.REBOOT)
    assert plant.is_down(begin + 1)
    assert not plant.is_down(begin + FAULT_SECONDS)
    assert float(plant.values(3, begin - 1)["good_count"]) > 1_000_000
    assert float(plant.values(3, begin + FAULT_SECONDS + 5)["good_count"]) < 1_000
