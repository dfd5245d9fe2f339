"""The Modbus TCP adapter against a real server of another kind, and its configuration."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from math import isnan
from time import time_ns
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType as SimType
from pymodbus.simulator import SimData, SimDevice

from streamforge.adapters import modbus_poller
from streamforge.adapters.base import Batch, ReportRule
from streamforge.adapters.byte_stream import TcpStream
from streamforge.adapters.modbus_config import Mapping, Output, RegisterRow
from streamforge.adapters.modbus_failures import Failure
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.modbus_tcp_config import DeviceRow, ModbusTcpConfig, Source
from streamforge.adapters.modbus_unit import Unit
from streamforge.adapters.tags import DataType, Order
from streamforge.model import Kind, Quality
from tests.adapters.modbus_bench import HASTY_MS, LOOPBACK, adapter, config, poll_once, pump, run_hostile, spoiled
from tests.adapters.peers import Hostile, exception, right


@asynccontextmanager
async def pymodbus_server(port: int) -> AsyncIterator[None]:
    def simulated(unit_id: int) -> SimDevice:
        registers = [
            SimData(0, values=unit_id * 100, datatype=SimType.REGISTERS, count=50),
            SimData(50, values=20.5, datatype=SimType.FLOAT32),
        ]
        return SimDevice(unit_id, simdata=registers)

    server = ModbusTcpServer([simulated(1), simulated(2)], address=(LOOPBACK, port))
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call] # pymodbus leaves it so


def test_two_units_of_a_real_server_are_read_over_one_connection(unused_tcp_port: int) -> None:
    async def main() -> None:
        tags = (
            RegisterRow(param="speed", at="40003", unit="rpm", scale=0.1),
            RegisterRow(param="temperature", at="HR50", type=DataType.FLOAT32),
        )
        settings = config(unused_tcp_port, pump(*tags), pump(*tags, unit_id=2, asset_id="fan"))
        async with pymodbus_server(unused_tcp_port), adapter(settings) as modbus:
            before_us = time_ns() // 1000
            first, second = [await poll_connected(modbus, key) for key in ("pump", "fan")]
            assert first.names.parameters == ("speed", "temperature")
            assert first.names.units == ("rpm", "")
            assert first.names.kinds == bytes([Kind.DOUBLE, Kind.DOUBLE])
            assert (first.values, second.values) == ((10.0, 20.5), (20.0, 20.5))
            assert first.qualities == b""
            assert before_us <= first.device_times_us[0] <= time_ns() // 1000

    asyncio.run(main())


@pytest.mark.parametrize("step_seconds", [86_400 * 365, -86_400 * 365])
def test_a_clock_that_is_set_during_a_scan_leaves_its_time_close_to_the_gateways(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, step_seconds: int
) -> None:
    async def main() -> None:
        settings = config(unused_tcp_port, pump(RegisterRow(param="speed", at="40003")))
        async with pymodbus_server(unused_tcp_port), adapter(settings) as modbus:
            await poll_connected(modbus, "pump")
            offset_ns, read = [0], Unit.read

            async def set_and_read(*words: Any) -> bytes | Failure:
                offset_ns[0] = step_seconds * 10**9
                return await read(*words)

            monkeypatch.setattr(modbus_poller, "time_ns", lambda: time_ns() + offset_ns[0])
            monkeypatch.setattr(Unit, "read", set_and_read)
            batch = await poll_connected(modbus, "pump")
            assert abs(batch.device_times_us[0] - (time_ns() + offset_ns[0]) // 1000) < 1_000_000

    asyncio.run(main())


async def poll_connected(modbus: ModbusTcp, key: str) -> Batch:
    device = next(device for device in modbus.devices if device.key == key)
    await modbus.connect(device)
    return await modbus.poll(device)


def test_a_silent_unit_is_asked_once_a_scan() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        batch = await poll_once(modbus)
        spoiled(batch, Quality.UNCERTAIN, "timeout")
        assert (len(batch.values), len(peer.seen)) == (3, 1)

    far = [RegisterRow(param=f"p{at}", at=f"HR{at}") for at in (0, 500, 1000)]
    run_hostile(lambda request: None, check, pump(*far), timeout_ms=HASTY_MS)


def test_one_refused_request_spoils_only_its_own_readings() -> None:
    async def check(modbus: ModbusTcp, _peer: Hostile) -> None:
        batch = await poll_once(modbus)
        assert batch.values[0] == 1
        assert isnan(batch.values[1])
        assert batch.qualities == bytes([Quality.GOOD, Quality.BAD])
        assert list(batch.reasons) == [1]

    def refuses_500(request: bytes) -> bytes | float | None:
        return exception(2)(request) if int.from_bytes(request[8:10], "big") == 500 else right(request)

    run_hostile(refuses_500, check, pump(RegisterRow(param="a", at="HR1"), RegisterRow(param="b", at="HR500")))


def test_parameters_stand_in_the_order_of_the_configuration() -> None:
    async def check(modbus: ModbusTcp, _peer: Hostile) -> None:
        batch = await poll_once(modbus)
        assert batch.names.parameters == ("late", "bit", "name", "early", "missing")
        assert (batch.values[0], batch.values[1], batch.values[3]) == (90, 1, 1)
        assert batch.others == {2: "", 4: None}
        assert list(batch.reasons) == [4]

    def refuses_500(request: bytes) -> bytes | float | None:
        return exception(2)(request) if int.from_bytes(request[8:10], "big") == 500 else right(request)

    rows = [
        RegisterRow(param="late", at="HR90"),
        RegisterRow(param="bit", at="HR3.0"),
        RegisterRow(param="name", at="HR5:1", type=DataType.STRING),
        RegisterRow(param="early", at="HR1"),
        RegisterRow(param="missing", at="HR500"),
    ]
    run_hostile(refuses_500, check, pump(*rows))


def test_many_devices_of_one_host_take_turns() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await modbus.connect(modbus.devices[0])
        await asyncio.gather(*(modbus.poll(device) for device in modbus.devices))
        units = [request[6] for request in peer.seen]
        assert units[:3] == [1, 2, 3]
        assert sorted(units[3:]) == [1, 2, 3]

    tags = (RegisterRow(param="a", at="HR0"), RegisterRow(param="b", at="HR500"))
    run_hostile(right, check, *(pump(*tags, unit_id=unit, asset_id=f"a{unit}") for unit in (1, 2, 3)))


def test_a_tag_with_its_own_interval_becomes_a_device_of_its_own() -> None:
    slow = RegisterRow(param="serial", at="HR9:4", type=DataType.STRING, interval_ms=60_000)
    modbus = ModbusTcp(config(502, pump(RegisterRow(param="level", at="HR7"), slow)))
    assert [(device.key, device.interval_seconds, device.names.parameters) for device in modbus.devices] == [
        ("pump", 1.0, ("level",)),
        ("pump@60000ms", 60.0, ("serial",)),
    ]
    assert {device.asset_id for device in modbus.devices} == {"pump"}


def test_deadbands_become_report_rules_of_their_parameters() -> None:
    tags = [
        RegisterRow(param="a", at="HR0"),
        RegisterRow(param="b", at="HR1", deadband="1%", max_silence_s=60),
        RegisterRow(param="c", at="HR2", deadband="any"),
    ]
    modbus = ModbusTcp(config(502, pump(*tags)))
    rules = dict(zip(modbus.devices[0].names.parameters, modbus.devices[0].rules, strict=True))
    assert rules["a"].deadband is None
    assert rules["b"] == ReportRule(deadband=1.0, percent=True, max_silence_seconds=60)
    assert rules["c"].deadband == 0.0


def test_no_deadband_no_rules() -> None:
    assert ModbusTcp(config(502, pump())).devices[0].rules == ()


def test_the_short_form_reads_the_unit_of_the_source() -> None:
    rows = {"40001": RegisterRow(param="temperature", type=DataType.FLOAT32)}
    settings = ModbusTcpConfig(
        source=Source(host="plc", unit_id=9), output=Output(asset_id="line"), mapping=Mapping(registers=rows)
    )
    device = ModbusTcp(settings).devices[0]
    assert (device.key, device.asset_id, device.peer) == ("line", "line", "plc:502")
    assert device.address == "plc:502 unit 9"


def test_two_units_may_feed_one_asset() -> None:
    first, second = pump(RegisterRow(param="a", at="HR0")), pump(RegisterRow(param="b", at="HR0"), unit_id=2)
    assert [device.key for device in ModbusTcp(config(502, first, second)).devices] == ["pump", "pump#2"]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ModbusTcpConfig(source=Source(host="h")), "nothing to read"),
        (lambda: ModbusTcpConfig(devices=(pump(),)), "no host"),
        (
            lambda: ModbusTcpConfig(
                source=Source(host="h"), mapping=Mapping(registers={"HR0": RegisterRow(param="p")})
            ),
            "asset_id is missing",
        ),
        (lambda: DeviceRow(asset_id="a"), "at least one row"),
        (lambda: DeviceRow(asset_id="a", tags=(RegisterRow(param="p"),)), "`at` is missing"),
        (lambda: config(502, pump(), pump(unit_id=2)), "two parameters named 'level'"),
        (lambda: ModbusTcpConfig(source=Source(host="h", max_gap="wide"), devices=(pump(),)), "max_gap 'wide'"),
        (lambda: Mapping(registers={"40001": RegisterRow(param="p", at="HR0")}), "key is the address already"),
        (lambda: Mapping(registers={"100": RegisterRow(param="p")}), "ambiguous: write HR100"),
        (lambda: RegisterRow(param="p", at="HR0", order=Order.CDAB, type=DataType.BIT), "which bit"),
    ],
)
def test_a_wrong_configuration_says_what_to_write(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize(
    ("round_trip_seconds", "max_gap", "requests"),
    [(0.0001, "auto", [(0, 1), (100, 1)]), (0.01, "auto", [(0, 101)]), (0.01, 10, [(0, 1), (100, 1)])],
    ids=["near", "far", "far, but told otherwise"],
)
def test_over_a_long_way_wider_gaps_are_read_along(
    monkeypatch: pytest.MonkeyPatch, round_trip_seconds: float, max_gap: int | str, requests: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(TcpStream, "round_trip_seconds", round_trip_seconds)

    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        assert (await poll_once(modbus)).values == (0, 100)
        assert [(int.from_bytes(r[8:10], "big"), int.from_bytes(r[10:12], "big")) for r in peer.seen] == requests

    row = pump(RegisterRow(param="a", at="HR0"), RegisterRow(param="b", at="HR100"))
    run_hostile(right, check, replace(row, max_gap=max_gap))


def test_the_kernel_s_round_trip_is_a_small_number_on_loopback() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await modbus.connect(modbus.devices[0])
        assert 0.0 < modbus.links[0].round_trip_seconds < 0.1

    run_hostile(right, check)


def test_a_slow_unit_does_not_delay_the_others() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        slow, fast = modbus.devices
        await modbus.connect(slow)
        waiting = asyncio.create_task(modbus.poll(slow))
        await asyncio.sleep(0)
        assert (await modbus.poll(fast)).values == (0, 500, 1000, 1500, 2000)
        assert [request[6] for request in peer.seen].count(1) <= 2
        assert not waiting.done()
        await waiting

    tags = [RegisterRow(param=f"p{at}", at=f"HR{at}") for at in range(0, 2500, 500)]
    devices = pump(*tags), pump(*tags, unit_id=2, asset_id="fast")
    run_hostile(lambda request: 0.1 if request[6] == 1 else right(request), check, *devices)


def test_the_time_of_a_reading_does_not_count_the_wait_for_its_turn() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        slow, fast = modbus.devices
        await modbus.connect(slow)
        waiting = asyncio.create_task(modbus.poll(slow))
        await asyncio.sleep(0)
        batch = await modbus.poll(fast)
        assert time_ns() // 1000 - batch.device_times_us[0] < 150_000, "half of the 400 ms, were they counted"
        await waiting

    devices = pump(), pump(unit_id=2, asset_id="fast")
    run_hostile(lambda request: 0.4 if request[6] == 1 else right(request), check, *devices)
