"""A serial line with many devices: right data or an error every time, the silence kept, dead units out of the way."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import isnan
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from streamforge.adapters import modbus_unit
from streamforge.adapters.base import Batch
from streamforge.adapters.modbus_config import Mapping, Output, RegisterRow, UnitRow
from streamforge.adapters.modbus_rtu import ModbusRtu, gap_of
from streamforge.adapters.modbus_rtu_config import LineSource, ModbusRtuConfig
from streamforge.adapters.serial_port import Parity
from streamforge.adapters.tags import DataType
from streamforge.errors import NotConnected
from streamforge.model import Quality
from tests.adapters.serial_lines import Line, Script, answer, line, refusal, right, sealed, silent

HASTY_MS = 120


def unit(*tags: RegisterRow, unit_id: int = 1, asset_id: str = "meter", **keys: Any) -> UnitRow:
    return UnitRow(asset_id=asset_id, unit_id=unit_id, tags=tags or (RegisterRow(param="power", at="HR7"),), **keys)


OTHER = unit(RegisterRow(param="flow", at="HR90"), asset_id="well")


def run(
    directory: Path,
    script: Script,
    check: Callable[[ModbusRtu, Line], Awaitable[None]],
    *devices: UnitRow,
    **keys: Any,
) -> None:
    """The adapter on a line whose far end is this script; `keys` stand in [source]."""

    async def main() -> None:
        async with line(directory, script) as far:
            source = LineSource(port=str(far.path), **{"timeout_ms": HASTY_MS, **keys})
            modbus = ModbusRtu(ModbusRtuConfig(source=source, devices=devices or (unit(),)))
            try:
                await modbus.connect(modbus.devices[0])
                await check(modbus, far)
            finally:
                await modbus.close()

    asyncio.run(main())


async def poll(modbus: ModbusRtu, place: int = 0) -> Batch:
    return await modbus.poll(modbus.devices[place])


def spoiled(batch: Batch, quality: Quality, reason: str) -> None:
    assert all(isnan(value) for value in batch.values)
    assert batch.qualities == bytes([quality]) * len(batch.values)
    assert {why.split(":")[0] for why in batch.reasons.values()} == {reason}


def first_then(*scripts: Script) -> Script:
    """Each script for one request, the last for all that follow."""
    count = 0

    def script(request: bytes) -> list[tuple[float, bytes]]:
        nonlocal count
        count += 1
        return scripts[min(count, len(scripts)) - 1](request)

    return script


def test_many_units_are_read_over_one_line(tmp_path: Path) -> None:
    def by_unit(request: bytes) -> list[tuple[float, bytes]]:
        return [(0.0, answer(request, add=1000 * request[0]))]

    async def check(modbus: ModbusRtu, far: Line) -> None:
        batches = await asyncio.gather(*(modbus.poll(device) for device in modbus.devices))
        assert [batch.values for batch in batches] == [(1007,), (2007,), (3007,)]
        assert [device.address for device in modbus.devices] == [f"{far.path} unit {n}" for n in (1, 2, 3)]
        assert {device.peer for device in modbus.devices} == {str(far.path)}

    run(tmp_path, by_unit, check, *(unit(unit_id=n, asset_id=f"m{n}") for n in (1, 2, 3)))


def test_tables_and_types_are_those_of_modbus_tcp(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        assert (await poll(modbus)).values == (1, 0, 50, 0x0007_0008)
        assert {request[1] for request in far.requests} == {1, 2, 3, 4}, "and no function that writes"

    tags = [
        RegisterRow(param="coil", at="CO3"),
        RegisterRow(param="input", at="DI4"),
        RegisterRow(param="register", at="IR50"),
        RegisterRow(param="double", at="HR7", type=DataType.UINT32),
    ]
    run(tmp_path, right, check, unit(*tags))


# What comes first for the first of two requests. Whatever it is, neither request may get wrong registers.


def late(seconds: float) -> Script:
    return lambda request: [(seconds, answer(request))]


def with_prefix(prefix: bytes, pause: float = 0.0) -> Script:
    return lambda request: [(0.0, prefix), (pause, answer(request))]


def test_a_late_answer_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    """The stock asynchronous RTU of the library does, and goes on so until the line falls silent."""

    async def check(modbus: ModbusRtu, far: Line) -> None:
        spoiled(await poll(modbus, 0), Quality.UNCERTAIN, "timeout")
        assert (await poll(modbus, 1)).values == (90,)
        assert (await poll(modbus, 0)).values == (7,)

    run(tmp_path, first_then(late(HASTY_MS / 1000 * 1.6), right), check, unit(), OTHER)


def test_the_line_is_not_held_longer_than_the_late_answer_needs(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        spoiled(await poll(modbus, 0), Quality.UNCERTAIN, "timeout")
        began = monotonic()
        assert (await poll(modbus, 1)).values == (90,)
        assert monotonic() - began < 0.4

    run(tmp_path, first_then(late(0.6), right), check, unit(), OTHER, timeout_ms=500)


def test_a_unit_that_is_always_late_never_gives_wrong_registers(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        for _ in range(3):
            for place in (0, 1):
                batch = await poll(modbus, place)
                assert all(isnan(value) for value in batch.values)

    run(tmp_path, late(HASTY_MS / 1000 * 1.5), check, unit(), OTHER)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda r: [(0.0, answer(r, count=0))], "short_answer"),
        (lambda r: [(0.0, answer(r, count=2))], "short_answer"),
        (lambda r: [(0.0, answer(r, function=4))], "protocol_error"),
        (lambda r: [(0.0, sealed(bytes([r[0], 6, 0, 7, 0, 1])))], "protocol_error"),
        (lambda r: [(0.0, answer(r)[:-1] + b"\0")], "bad_crc"),
        (lambda r: [(0.0, answer(r)[:-2])], "bad_crc"),
        (lambda r: [(0.0, bytes([answer(r)[0], answer(r)[1], 2, 9, 9]) + answer(r)[-2:])], "bad_crc"),
    ],
    ids=["no registers", "too many", "other function", "a write's answer", "bad CRC", "half a frame", "bit errors"],
)
def test_what_cannot_be_the_answer_is_an_error_and_the_next_one_is_right(
    tmp_path: Path, wrong: Script, reason: str
) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        spoiled(await poll(modbus, 0), Quality.BAD, reason)
        assert (await poll(modbus, 1)).values == (90,)
        assert (await poll(modbus, 0)).values == (7,)

    run(tmp_path, first_then(wrong, right), check, unit(), OTHER)


@pytest.mark.parametrize(
    "script",
    [
        with_prefix(b"\x00"),
        with_prefix(b"\xff", 0.02),
        with_prefix(b"\x00\xff\x7e"),
        with_prefix(b"\x01"),
        with_prefix(b"\x01\x03"),
        with_prefix(b"\x01\x03\x02\x00"),
        with_prefix(b"\xa5" * 40, 0.01),
        lambda r: [(0.002, answer(r)[at : at + 1]) for at in range(len(answer(r)))],
        lambda r: [(0.0, answer(r) + b"\x00\xff")],
        lambda r: [(0.0, sealed(bytes([2, 3, 2, 0, 99]))), (0.01, answer(r))],
    ],
    ids=["00", "FF, pause", "00 FF 7E", "the unit's own id", "its first bytes", "half a frame", "much noise",
         "byte by byte", "noise behind", "another unit's answer before"],
)  # fmt: skip
def test_noise_around_an_answer_is_passed_over(tmp_path: Path, script: Script) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        for _ in range(3):
            assert (await poll(modbus, 0)).values == (7,)
            assert (await poll(modbus, 1)).values == (90,)

    run(tmp_path, script, check, unit(), OTHER, timeout_ms=1000)


def test_an_echo_of_the_request_is_no_answer(tmp_path: Path) -> None:
    """The echo of the second request has the form and the CRC of an answer to it: 17 coils from 0x0300."""

    async def check(modbus: ModbusRtu, far: Line) -> None:
        far.echoes = True
        for _ in range(2):
            assert (await poll(modbus, 0)).values == (7,)
            assert (await poll(modbus, 1)).values == tuple(at & 1 for at in range(0x300, 0x311))

    coils = unit(*(RegisterRow(param=f"c{at}", at=f"CO{at}") for at in range(0x300, 0x311)), asset_id="coils")
    run(tmp_path, right, check, unit(), coils, timeout_ms=1000)


def test_an_echo_alone_is_silence(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        far.echoes = True
        spoiled(await poll(modbus), Quality.UNCERTAIN, "timeout")

    coils = unit(*(RegisterRow(param=f"c{at}", at=f"CO{at}") for at in range(0x300, 0x311)))
    run(tmp_path, silent, check, coils)


def test_bytes_that_nobody_asked_for_are_dropped(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        for _ in range(3):
            far.say(sealed(bytes([1, 3, 2, 9, 9])))
            await asyncio.sleep(0.01)
            assert (await poll(modbus)).values == (7,)

    run(tmp_path, right, check, timeout_ms=1000)


def test_noise_from_a_line_without_a_device_is_silence_all_the_same(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        spoiled(await poll(modbus), Quality.UNCERTAIN, "timeout")
        spoiled(await poll(modbus), Quality.BAD, "no_response")

    run(tmp_path, lambda r: [(0.0, b"\x00\xff")], check)


@pytest.mark.parametrize(("baud", "least_ms"), [(9600, 4.0), (19200, 2.0), (115200, 1.75)])
def test_the_line_is_silent_for_three_and_a_half_characters_before_each_request(
    tmp_path: Path, baud: int, least_ms: float
) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        gaps = []
        for _ in range(20):
            answered = far.sent_seconds
            await poll(modbus)
            gaps.append((far.seen[-1][0] - answered) * 1000)
        assert min(gaps) >= least_ms

    run(tmp_path, right, check, baud_rate=baud, timeout_ms=1000)


def test_a_turnaround_adds_to_the_silence(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        await poll(modbus)
        answered = far.sent_seconds
        await poll(modbus)
        assert far.seen[-1][0] - answered >= 0.032

    run(tmp_path, right, check, turnaround_ms=30, timeout_ms=1000)


def test_a_line_that_never_falls_silent_is_said_so_and_recovers(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        async def babble() -> None:
            while True:
                far.say(b"\x55")
                await asyncio.sleep(0.001)

        task = asyncio.create_task(babble())
        await asyncio.sleep(0.01)
        batch = await poll(modbus)
        task.cancel()
        spoiled(batch, Quality.BAD, "line_busy")
        assert (await poll(modbus)).values == (7,)

    run(tmp_path, right, check, turnaround_ms=20)


def test_dead_units_leave_the_line_to_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(modbus_unit, "monotonic", lambda: now)
    alive = {4}

    def script(request: bytes) -> list[tuple[float, bytes]]:
        return right(request) if request[0] in alive else []

    async def check(modbus: ModbusRtu, far: Line) -> None:
        nonlocal now
        for _ in range(3):
            for place in range(4):
                await poll(modbus, place)
        asked = len(far.seen)
        began = monotonic()
        for _ in range(5):
            for place in range(3):
                spoiled(await poll(modbus, place), Quality.BAD, "no_response")
            assert (await poll(modbus, 3)).values == (7,)
        assert len(far.seen) == asked + 5
        assert monotonic() - began < 1.0
        alive.add(1)
        now += 60.0
        assert (await poll(modbus, 0)).values == (7,)
        assert (await poll(modbus, 0)).values == (7,)

    run(tmp_path, script, check, *(unit(unit_id=n, asset_id=f"m{n}") for n in (1, 2, 3, 4)))


def test_unplugged_is_said_at_once_and_plugged_in_again_it_goes_on(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        assert (await poll(modbus)).values == (7,)
        far.unplug()
        with pytest.raises(NotConnected, match="usb-FTDI_RS485: the port is gone: unplugged"):
            await poll(modbus)
        with pytest.raises(NotConnected, match="No such file"):
            await modbus.connect(modbus.devices[0])
        far.plug()
        await modbus.connect(modbus.devices[0])
        assert (await poll(modbus)).values == (7,)

    run(tmp_path, right, check, timeout_ms=1000)


def test_unplugged_during_a_request_is_noticed_without_waiting_for_the_answer(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        asyncio.get_running_loop().call_later(0.05, far.unplug)
        async with asyncio.timeout(5.0):
            with pytest.raises(NotConnected, match="unplugged"):
                await poll(modbus)

    run(tmp_path, silent, check, timeout_ms=30_000)


def test_silence_of_all_units_is_not_the_loss_of_the_port(tmp_path: Path) -> None:
    async def check(modbus: ModbusRtu, far: Line) -> None:
        for _ in range(5):
            await poll(modbus)
        far.script = right
        assert (await poll(modbus)).values == (7,)

    run(tmp_path, silent, check, timeout_ms=50)


def test_a_refused_range_is_divided_as_over_tcp(tmp_path: Path) -> None:
    def script(request: bytes) -> list[tuple[float, bytes]]:
        start, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        return [(0.0, refusal(request, 2))] if start <= 4 < start + count else right(request)

    async def check(modbus: ModbusRtu, far: Line) -> None:
        batch = await poll(modbus)
        assert [batch.values[at] for at in range(10) if at != 4] == [at for at in range(10) if at != 4]
        assert list(batch.reasons) == [4]

    tags = [RegisterRow(param=f"p{at}", at=f"HR{at}") for at in range(10)]
    run(tmp_path, script, check, unit(*tags), timeout_ms=1000)


def test_the_automatic_gap_is_that_of_the_baud_rate() -> None:
    assert [gap_of(LineSource(baud_rate=baud)) for baud in (9600, 19200, 115200)] == [14, 18, 77]
    assert gap_of(LineSource(baud_rate=9600, turnaround_ms=20)) > gap_of(LineSource(baud_rate=9600))
    assert LineSource(baud_rate=9600, parity=Parity.NONE).quiet_seconds == pytest.approx(3.5 * 10 / 9600)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ModbusRtuConfig(devices=(unit(),)), "port is missing"),
        (lambda: ModbusRtuConfig(source=LineSource(port="p")), "nothing to read"),
        (lambda: ModbusRtuConfig(source=LineSource(port="p"), devices=(unit(unit_id=0),)), "broadcast"),
        (lambda: ModbusRtuConfig(source=LineSource(port="p"), devices=(unit(), replace(unit(), unit_id=2))), "two"),
        (
            lambda: ModbusRtuConfig(
                source=LineSource(port="p"), mapping=Mapping(registers={"HR0": RegisterRow(param="p")})
            ),
            "asset_id is missing",
        ),
        (
            lambda: ModbusRtuConfig(
                source=LineSource(port="p", unit_check=False), devices=(unit(), unit(unit_id=2, asset_id="b"))
            ),
            "unit_check",
        ),
        (lambda: ModbusRtuConfig(source=LineSource(port="p", max_gap="wide"), devices=(unit(),)), "max_gap"),
        (lambda: ModbusRtuConfig(source=LineSource(port="p"), devices=(unit(single_reads=("x",)),)), "named 'x'"),
    ],
)
def test_a_wrong_configuration_says_what_to_write(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def test_the_short_form_reads_the_unit_of_the_source() -> None:
    rows = {"40001": RegisterRow(param="temperature", type=DataType.FLOAT32)}
    settings = ModbusRtuConfig(
        source=LineSource(port="/dev/ttyUSB0", unit_id=9),
        output=Output(asset_id="oven"),
        mapping=Mapping(registers=rows),
    )
    assert ModbusRtu(settings).devices[0].address == "/dev/ttyUSB0 unit 9"
