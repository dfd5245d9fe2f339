"""The Modbus TCP adapter against a real server of another kind, and against servers that are wrong on purpose."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import isnan
from time import time_ns

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType as SimType
from pymodbus.simulator import SimData, SimDevice

from streamforge.adapters.base import Batch, ReportRule
from streamforge.adapters.modbus_link import only_reads
from streamforge.adapters.modbus_tcp import (
    DeviceRow,
    Mapping,
    ModbusTcp,
    ModbusTcpConfig,
    Output,
    RegisterRow,
    Source,
)
from streamforge.adapters.tags import DataType, Order
from streamforge.errors import Fatal, NotConnected
from streamforge.model import Kind, Quality
from tests.adapters.peers import Behaviour, Hostile, exception, frame, hostile, right

LOOPBACK = "127.0.0.1"


def config(port: int, *devices: DeviceRow, timeout_ms: int = 200) -> ModbusTcpConfig:
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
    behave: Behaviour, check: Callable[[ModbusTcp, Hostile], Awaitable[None]], *devices: DeviceRow
) -> None:
    async def main() -> None:
        async with hostile(behave) as peer, adapter(config(peer.port, *(devices or (pump(),)))) as modbus:
            await check(modbus, peer)

    asyncio.run(main())


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


async def poll_connected(modbus: ModbusTcp, key: str) -> Batch:
    device = next(device for device in modbus.devices if device.key == key)
    await modbus.connect(device)
    return await modbus.poll(device)


@pytest.mark.parametrize(
    ("code", "quality", "reason"),
    [
        (1, Quality.BAD, "config_error"),
        (2, Quality.BAD, "config_error"),
        (3, Quality.BAD, "config_error"),
        (4, Quality.BAD, "device_failure"),
        (5, Quality.UNCERTAIN, "busy"),
        (6, Quality.UNCERTAIN, "busy"),
        (8, Quality.BAD, "memory_parity"),
        (10, Quality.BAD, "gateway_path"),
        (11, Quality.BAD, "gateway_path"),
        (99, Quality.BAD, "device_failure"),
    ],
)
def test_an_exception_code_is_quality_and_reason(code: int, quality: Quality, reason: str) -> None:
    async def check(modbus: ModbusTcp, _peer: Hostile) -> None:
        spoiled(await poll_once(modbus), quality, reason)

    run_hostile(exception(code), check)


def spoiled(batch: Batch, quality: Quality, reason: str) -> None:
    """Every reading is null, of this quality, for this reason."""
    assert all(isnan(value) for value in batch.values)
    assert batch.others == dict.fromkeys(range(len(batch.values)))
    assert batch.qualities == bytes([quality]) * len(batch.values)
    assert {why.split(":")[0] for why in batch.reasons.values()} == {reason}


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (lambda r: frame(r, bytes([3, 0])), "short_answer"),
        (lambda r: frame(r, bytes([3, 2, 7])), "short_answer"),
        (lambda r: frame(r, bytes([3])), "short_answer"),
        (lambda r: frame(r, bytes([3, 4, 0, 7, 0, 8])), "short_answer"),
        (lambda r: frame(r, bytes([4, 2, 0, 7])), "protocol_error"),
        (lambda r: frame(r, bytes([16, 0, 7, 0, 1])), "protocol_error"),
        (lambda r: frame(r, bytes([3, 2, 0, 7]), transaction=0), "protocol_error"),
    ],
    ids=["no bytes", "half a register", "no count", "too long", "other function", "a write's answer", "transaction 0"],
)
def test_an_answer_to_another_question_is_never_data(behave: Behaviour, reason: str) -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        spoiled(await poll_once(modbus), Quality.BAD, reason)
        peer.behave = right
        assert (await modbus.poll(modbus.devices[0])).values == (7,)

    run_hostile(behave, check)


@pytest.mark.parametrize(
    "behave",
    [
        lambda r: None,
        lambda r: frame(r, bytes([3, 2, 0, 7]), transaction=int.from_bytes(r[:2], "big") + 5),
        lambda r: frame(r, bytes([3, 2, 0, 7]), unit=r[6] + 1),
        lambda r: right(r)[:-1],
        lambda r: b"\xff" * 40,
    ],
    ids=["silent", "other transaction", "other unit", "half a frame", "noise"],
)
def test_silence_is_doubtful_once_and_bad_from_then_on(behave: Behaviour) -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        spoiled(await poll_once(modbus), Quality.UNCERTAIN, "timeout")
        spoiled(await modbus.poll(modbus.devices[0]), Quality.BAD, "no_response")
        with pytest.raises(NotConnected, match=f"127.0.0.1:{peer.port}: no answer to 3 requests"):
            await modbus.poll(modbus.devices[0])
        with pytest.raises(NotConnected, match="connects, but answers no request"):
            await modbus.connect(modbus.devices[0])
        peer.behave = right
        assert (await poll_once(modbus)).values == (7,)
        assert peer.connections == 3

    run_hostile(behave, check)


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        level, flow = modbus.devices
        await modbus.connect(level)
        spoiled(await modbus.poll(level), Quality.UNCERTAIN, "timeout")
        peer.behave = right
        assert (await modbus.poll(flow)).values == (90,)

    other = pump(RegisterRow(param="flow", at="HR90"), asset_id="well")
    run_hostile(lambda request: 0.3, check, pump(), other)


def test_a_silent_unit_neither_stops_its_neighbour_nor_the_connection() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        silent, well = modbus.devices
        await modbus.connect(silent)
        for _ in range(3):
            assert (await modbus.poll(silent)).qualities in {b"\x02", b"\x03"}
            assert (await modbus.poll(well)).values == (7,)
        asked = len(peer.seen)
        async with asyncio.timeout(0.15):  # it rests now, and its neighbour need not wait
            spoiled(await modbus.poll(silent), Quality.BAD, "no_response")
            assert (await modbus.poll(well)).values == (7,)
        assert (len(peer.seen), peer.connections) == (asked + 1, 1)

    def only_unit_2(request: bytes) -> bytes | None:
        return right(request) if request[6] == 2 else None

    run_hostile(only_unit_2, check, pump(), pump(unit_id=2, asset_id="well"))


def test_a_fast_silent_unit_does_not_cut_off_a_slow_one() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        silent, well = modbus.devices
        await modbus.connect(silent)
        for _ in range(5):
            await modbus.poll(silent)
        assert (await modbus.poll(well)).values == (7,)
        assert peer.connections == 1

    def only_unit_2(request: bytes) -> bytes | None:
        return right(request) if request[6] == 2 else None

    run_hostile(only_unit_2, check, pump(), pump(unit_id=2, asset_id="well"))


def test_a_connection_lost_while_one_unit_is_silent_comes_back_for_the_others() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        silent, well = modbus.devices
        await modbus.connect(silent)
        spoiled(await modbus.poll(silent), Quality.UNCERTAIN, "timeout")
        peer.behave = lambda request: -1.0
        with pytest.raises(NotConnected):
            await modbus.poll(well)
        peer.behave = lambda request: right(request) if request[6] == 2 else None
        await modbus.connect(well)
        assert (await modbus.poll(well)).values == (7,)

    run_hostile(lambda request: None, check, pump(), pump(unit_id=2, asset_id="well"))


def test_a_silent_unit_is_asked_once_a_scan() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        batch = await poll_once(modbus)
        spoiled(batch, Quality.UNCERTAIN, "timeout")
        assert (len(batch.values), len(peer.seen)) == (3, 1)

    far = [RegisterRow(param=f"p{at}", at=f"HR{at}") for at in (0, 500, 1000)]
    run_hostile(lambda request: None, check, pump(*far))


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


def test_a_connection_closed_during_a_request_is_noticed_at_once() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await modbus.connect(modbus.devices[0])
        async with asyncio.timeout(0.15):  # well before the answer is overdue
            with pytest.raises(NotConnected, match="connection closed by the device"):
                await modbus.poll(modbus.devices[0])
        peer.behave = right
        assert (await poll_once(modbus)).values == (7,)

    run_hostile(lambda request: -1.0, check)


def test_an_answer_in_pieces_is_one_answer() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        peer.piece_bytes = 3
        assert (await poll_once(modbus)).values == tuple(range(20))

    run_hostile(right, check, pump(RegisterRow(param="p", at="HR0:20", type=DataType.INT16)))


def test_closing_ends_a_request_under_way() -> None:
    async def check(modbus: ModbusTcp, _peer: Hostile) -> None:
        await modbus.connect(modbus.devices[0])
        poll = asyncio.create_task(modbus.poll(modbus.devices[0]))
        await asyncio.sleep(0)
        async with asyncio.timeout(0.15):
            await modbus.close()
            with pytest.raises(NotConnected):
                await poll

    run_hostile(lambda request: None, check)


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


def test_an_absent_device_is_named_with_host_port_and_reason(unused_tcp_port: int) -> None:
    async def main() -> None:
        async with adapter(config(unused_tcp_port, pump())) as modbus:
            with pytest.raises(NotConnected, match=f"127.0.0.1:{unused_tcp_port}: .*refused|Connect call failed"):
                await modbus.connect(modbus.devices[0])
            with pytest.raises(NotConnected):
                await modbus.poll(modbus.devices[0])

    asyncio.run(main())


def test_many_devices_of_one_host_take_turns() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await modbus.connect(modbus.devices[0])
        await asyncio.gather(*(modbus.poll(device) for device in modbus.devices))
        units = [request[6] for request in peer.seen]
        assert units == [1, 2, 3, 1, 2, 3]

    tags = (RegisterRow(param="a", at="HR0"), RegisterRow(param="b", at="HR500"))
    run_hostile(right, check, *(pump(*tags, unit_id=unit, asset_id=f"a{unit}") for unit in (1, 2, 3)))


def test_only_reading_functions_ever_reach_the_wire() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await poll_once(modbus)
        client = modbus._links[LOOPBACK, peer.port]._client
        assert client
        for write in (client.write_register(0, 1), client.write_coils(0, [True]), client.read_exception_status()):
            with pytest.raises(Fatal, match="this adapter only reads"):
                await write
        await modbus.poll(modbus.devices[0])
        assert {request[7] for request in peer.seen} == {1, 2, 3, 4}

    tags = [RegisterRow(param=at, at=at) for at in ("CO1", "DI1", "IR1", "HR1")]
    run_hostile(right, check, pump(*tags))


def test_the_transmit_hook_knows_four_functions() -> None:
    for function in range(256):
        packet = bytes([0, 1, 0, 0, 0, 6, 1, function, 0, 0, 0, 1])
        if function in {1, 2, 3, 4}:
            assert only_reads(sending=True, packet=packet) == packet
        else:
            with pytest.raises(Fatal):
                only_reads(sending=True, packet=packet)


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
