"""How one unit is asked: again when it is worth it, with its own pauses, and rarely when it keeps silent."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from streamforge.adapters import modbus_unit
from streamforge.adapters.modbus_config import RegisterRow
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.modbus_tcp_config import DeviceRow
from streamforge.adapters.modbus_unit import Pace
from streamforge.model import Quality
from tests.adapters.modbus_bench import HASTY_MS, PATIENT_MS, adapter, config, poll_once, pump, run_hostile, spoiled
from tests.adapters.peers import Behaviour, Hostile, exception, frame, hostile, right


def run_source(
    behave: Behaviour, check: Callable[[ModbusTcp, Hostile], Awaitable[None]], *devices: DeviceRow, **keys: Any
) -> None:
    """The adapter with these keys in [source], against a server that behaves so."""

    async def main() -> None:
        async with hostile(behave) as peer:
            settings = config(peer.port, *(devices or (pump(),)))
            async with adapter(replace(settings, source=replace(settings.source, **keys))) as modbus:
                await check(modbus, peer)

    asyncio.run(main())


def after(wrong: Behaviour, times: int) -> Behaviour:
    """Wrong so often, right from then on."""
    seen = 0

    def behave(request: bytes) -> bytes | float | None:
        nonlocal seen
        seen += 1
        return wrong(request) if seen <= times else right(request)

    return behave


@pytest.mark.parametrize("code", [5, 6])
def test_a_busy_unit_is_asked_three_times_more(code: int) -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        began = monotonic()
        assert (await poll_once(modbus)).values == (7,)
        assert monotonic() - began >= 0.3
        peer.seen.clear()
        peer.behave = exception(code)
        spoiled(await modbus.poll(modbus.devices[0]), Quality.UNCERTAIN, "busy")
        assert len(peer.seen) == 4

    run_hostile(after(exception(code), 3), check)


def test_a_busy_unit_leaves_the_line_to_others_while_it_is_waited_for() -> None:
    def behave(request: bytes) -> bytes | float | None:
        return exception(6)(request) if request[6] == 1 else right(request)

    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        busy, well = modbus.devices
        await modbus.connect(busy)
        waiting = asyncio.create_task(modbus.poll(busy))
        await asyncio.sleep(0.02)
        assert (await modbus.poll(well)).values == (7,)
        assert not waiting.done()
        await waiting

    run_hostile(behave, check, pump(), pump(unit_id=2, asset_id="well"))


@pytest.mark.parametrize(
    "wrong", [lambda r: None, lambda r: frame(r, bytes([4, 2, 0, 7]))], ids=["silent", "other function"]
)
def test_retries_ask_again_after_silence_and_after_nonsense(wrong: Behaviour) -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        assert (await poll_once(modbus)).values == (7,)
        assert len(peer.seen) == 3

    run_source(after(wrong, 2), check, timeout_ms=HASTY_MS, retries=2)


def test_without_retries_there_are_none() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        spoiled(await poll_once(modbus), Quality.UNCERTAIN, "timeout")
        assert len(peer.seen) == 1

    run_source(after(lambda r: None, 1), check, timeout_ms=HASTY_MS)


def test_what_a_device_refuses_is_not_retried() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        spoiled(await poll_once(modbus), Quality.BAD, "config_error")
        assert len(peer.seen) == 1

    run_source(exception(2), check, retries=5)


def test_a_device_may_have_its_own_time_out() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        began = monotonic()
        spoiled(await poll_once(modbus), Quality.UNCERTAIN, "timeout")
        assert monotonic() - began < 2

    run_hostile(lambda r: None, check, replace(pump(), timeout_ms=50), timeout_ms=PATIENT_MS)


def test_the_pause_is_kept_before_each_request() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await modbus.connect(modbus.devices[0])
        began = monotonic()
        await modbus.poll(modbus.devices[0])
        assert monotonic() - began >= 0.1
        assert len(peer.seen) == 2

    far = pump(RegisterRow(param="a", at="HR0"), RegisterRow(param="b", at="HR500"))
    run_source(right, check, far, pause_ms=50)


def test_after_connecting_a_device_is_left_alone_for_as_long_as_it_wants() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        began = monotonic()
        await modbus.connect(modbus.devices[0])
        assert monotonic() - began >= 0.1
        assert (await modbus.poll(modbus.devices[0])).values == (7,)

    run_source(right, check, connect_pause_ms=100)


@pytest.mark.parametrize("unit", [0, 255])
def test_answers_of_another_unit_count_only_where_the_check_is_off(unit: int) -> None:
    def behave(request: bytes) -> bytes:
        return frame(request, bytes([3, 2, 0, 7]), unit=unit)

    async def strict(modbus: ModbusTcp, peer: Hostile) -> None:
        spoiled(await poll_once(modbus), Quality.UNCERTAIN, "timeout")

    async def lenient(modbus: ModbusTcp, peer: Hostile) -> None:
        assert (await poll_once(modbus)).values == (7,)
        assert peer.seen[0][6] == 1, "the unit that was configured is asked all the same"

    run_source(behave, strict, timeout_ms=HASTY_MS)
    run_source(behave, lenient, unit_check=False)


def test_a_unit_that_a_gateway_does_not_reach_rests_like_a_silent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(modbus_unit, "monotonic", lambda: now)

    def behave(request: bytes) -> bytes | float | None:
        return exception(11)(request) if request[6] == 1 else right(request)

    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        nonlocal now
        gone = modbus.devices[0]
        await modbus.connect(gone)
        for _ in range(4):
            spoiled(await modbus.poll(gone), Quality.BAD, "gateway_path")
        assert len(peer.seen) == 3, "once a scan, and not at all while it rests"
        now += 1000.0
        peer.behave = right
        assert (await modbus.poll(gone)).values == (7, 500)

    far = pump(RegisterRow(param="a", at="HR7"), RegisterRow(param="b", at="HR500"))
    run_hostile(behave, check, far, pump(unit_id=2, asset_id="well"))


def test_requests_and_failures_are_counted_by_asset_and_reason() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await poll_once(modbus)
        for code in (2, 4):
            peer.behave = exception(code)
            await modbus.poll(modbus.devices[0])
        peer.behave = right
        await modbus.poll(modbus.devices[1])
        assert modbus.figures() == {
            ("pump", "requests"): 5, ("pump", "short_answer"): 2, ("pump", "config_error"): 1,
            ("pump", "device_failure"): 1, ("well", "requests"): 1,
        }  # fmt: skip

    wrong = after(lambda request: frame(request, bytes([3, 4, 0, 7, 0, 8])), 2)
    run_source(wrong, check, pump(), pump(unit_id=2, asset_id="well"), retries=2)


def test_a_unit_that_nears_its_time_out_is_noticed_once_and_again_when_it_is_well() -> None:
    pace = Pace()

    def hundred(slow: int) -> list[bool]:
        return [pace.is_new(0.9 if at < slow else 0.1) for at in range(100)]

    assert not any(hundred(1))
    assert hundred(2).count(True) == 1
    assert pace.is_slow
    assert not any(hundred(50))
    assert hundred(0).count(True) == 1
    assert not pace.is_slow
