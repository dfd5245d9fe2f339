"""The connection, against servers that are wrong on purpose: only a right answer is data, and nothing is written."""

import asyncio
from contextlib import suppress
from socket import gaierror

import pytest

from streamforge.adapters.byte_stream import plain_words
from streamforge.adapters.modbus_config import RegisterRow
from streamforge.adapters.modbus_question import Question
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.registers import Table
from streamforge.adapters.tags import DataType
from streamforge.errors import NotConnected
from streamforge.model import Quality
from tests.adapters.modbus_bench import HASTY_MS, adapter, config, poll_once, pump, run_hostile, spoiled
from tests.adapters.peers import Behaviour, Hostile, exception, frame, right


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

    run_hostile(behave, check, timeout_ms=HASTY_MS)


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        level, flow = modbus.devices
        await modbus.connect(level)
        spoiled(await modbus.poll(level), Quality.UNCERTAIN, "timeout")
        peer.behave = right
        assert (await modbus.poll(flow)).values == (90,)

    other = pump(RegisterRow(param="flow", at="HR90"), asset_id="well")
    run_hostile(lambda request: 0.35, check, pump(), other, timeout_ms=HASTY_MS)


def test_a_silent_unit_neither_stops_its_neighbour_nor_the_connection() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        silent, well = modbus.devices
        await modbus.connect(silent)
        for _ in range(3):
            assert (await modbus.poll(silent)).qualities in {b"\x02", b"\x03"}
            assert (await modbus.poll(well)).values == (7,)
        asked = len(peer.seen)
        async with asyncio.timeout(0.2):  # it rests now, and its neighbour need not wait
            spoiled(await modbus.poll(silent), Quality.BAD, "no_response")
            assert (await modbus.poll(well)).values == (7,)
        assert (len(peer.seen), peer.connections) == (asked + 1, 1)

    def only_unit_2(request: bytes) -> bytes | None:
        return right(request) if request[6] == 2 else None

    run_hostile(only_unit_2, check, pump(), pump(unit_id=2, asset_id="well"), timeout_ms=HASTY_MS)


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

    run_hostile(only_unit_2, check, pump(), pump(unit_id=2, asset_id="well"), timeout_ms=HASTY_MS)


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

    run_hostile(lambda request: None, check, pump(), pump(unit_id=2, asset_id="well"), timeout_ms=HASTY_MS)


def test_a_connection_closed_during_a_request_is_noticed_at_once() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await modbus.connect(modbus.devices[0])
        async with asyncio.timeout(2.0):  # well before the answer is overdue
            with pytest.raises(NotConnected, match="connection closed by the device"):
                await modbus.poll(modbus.devices[0])
        peer.behave = right
        assert (await poll_once(modbus)).values == (7,)

    run_hostile(lambda request: -1.0, check)


def test_a_device_that_accepts_and_hangs_up_again_is_not_taken_for_a_connected_one() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        assert (await poll_once(modbus)).values == (7,)
        peer.behave = lambda request: -1.0
        with pytest.raises(NotConnected):
            await modbus.poll(modbus.devices[0])
        for _ in range(3):
            with pytest.raises(NotConnected, match="closed by the device"):
                await modbus.connect(modbus.devices[0])
        peer.behave = right
        assert (await poll_once(modbus)).values == (7,)

    run_hostile(right, check)


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
        async with asyncio.timeout(2.0):
            await modbus.close()
            with pytest.raises(NotConnected):
                await poll

    run_hostile(lambda request: None, check)


def test_an_absent_device_is_named_with_host_port_and_reason(unused_tcp_port: int) -> None:
    async def main() -> None:
        async with adapter(config(unused_tcp_port, pump())) as modbus:
            with pytest.raises(NotConnected, match=f"127.0.0.1:{unused_tcp_port}: Connection refused$"):
                await modbus.connect(modbus.devices[0])
            with pytest.raises(NotConnected):
                await modbus.poll(modbus.devices[0])

    asyncio.run(main())


def test_no_request_is_sent_before_the_one_before_it_is_answered() -> None:
    """There are devices that answer only one of several requests that are under way."""
    early: list[bytes] = []
    answered = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        with suppress(asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(12)
                with suppress(TimeoutError):
                    early.append(await asyncio.wait_for(reader.read(12), 0.005))
                writer.write(right(request))
                answered += 1
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        tags = [RegisterRow(param=f"p{at}", at=f"HR{at}") for at in (0, 500, 1000)]
        devices = [pump(*tags, unit_id=unit, asset_id=f"a{unit}") for unit in (1, 2, 3)]
        async with adapter(config(server.sockets[0].getsockname()[1], *devices)) as modbus:
            await modbus.connect(modbus.devices[0])
            await asyncio.gather(*(modbus.poll(device) for device in modbus.devices))
        server.close()

    asyncio.run(main())
    assert (early, answered) == ([], 9)


def test_only_reading_functions_ever_reach_the_wire() -> None:
    async def check(modbus: ModbusTcp, peer: Hostile) -> None:
        await poll_once(modbus)
        await modbus.poll(modbus.devices[0])
        assert {request[7] for request in peer.seen} == {1, 2, 3, 4}

    tags = [RegisterRow(param=at, at=at) for at in ("CO1", "DI1", "IR1", "HR1")]
    run_hostile(right, check, pump(*tags))


def test_no_question_can_be_made_that_does_not_read() -> None:
    for function in range(256):
        if function in {1, 2, 3, 4}:
            assert Question(Table(function), 1, 0, 1).pdu[0] == function
        else:
            with pytest.raises(ValueError, match="not a valid Table"):
                Question(function, 1, 0, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 502)"), "Connection refused"),
        (OSError("Multiple exceptions: [Errno 113] Connect call failed ('::1'), [Errno 111] more"), "No route to host"),
        (gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("odd"), "odd"),
    ],
)
def test_the_reason_is_the_operating_system_s(error: OSError, words: str) -> None:
    assert plain_words(error) == words
