"""Nodes of an XBee network become readings, in order; the module is asked and never set."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters import virtual_modbus, xbee_line
from streamforge.adapters.base import Batch
from streamforge.adapters.tags import DataType
from streamforge.adapters.xbee import Xbee
from streamforge.adapters.xbee_config import NodeRow, VirtualModbusConfig, XbeeConfig, XbeeRow, XbeeSource
from streamforge.adapters.xbee_frames import frame
from streamforge.adapters.xbee_nodes import MOST_NODES
from streamforge.adapters.xbee_packets import Data
from streamforge.config import kind_of, load
from streamforge.errors import ConfigError, NotConnected
from streamforge.model import Quality
from tests.adapters.mutations import FEW, MANY, campaign
from tests.adapters.radio_peers import Kept, XbeeModule, until

CASES = sorted((Path(__file__).parents[1] / "cases" / "xbee").iterdir())
NODE, OTHER = "0013A20041112233", "0013A20099999999"
LEVEL = NodeRow(
    asset_id="tank", node_id=NODE, tags=(XbeeRow(param="level", at="40001"), XbeeRow(param="rssi", at="RSSI"))
)


def settings(*rows: NodeRow, path: str = "", **source: Any) -> XbeeConfig:
    return XbeeConfig(source=XbeeSource(xbee_port=path, **source), devices=rows or (LEVEL,))


def received(payload: bytes, node: str = NODE) -> bytes:
    """Frame data of 0x90."""
    return b"\x90" + bytes.fromhex(node) + b"\xff\xfe\x01" + payload


@asynccontextmanager
async def running(config: XbeeConfig, module: XbeeModule) -> AsyncIterator[tuple[Xbee, Kept]]:
    """The adapter on that module, listening as the runner lets it."""
    adapter = Xbee(replace(config, source=replace(config.source, xbee_port=module.path)))
    inbox = Kept()
    await adapter.connect(module.path)

    async def forever() -> None:
        while True:
            await adapter.listen(module.path, inbox)

    work = asyncio.create_task(forever())
    try:
        yield adapter, inbox
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await adapter.close()
        module.unplug()


async def listen(adapter: Xbee, times: int) -> None:
    for _ in range(times):
        await adapter.listen(adapter.peers[0], Kept())


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
@pytest.mark.parametrize("mode", [1, 2])
def test_case(case: Path, mode: int) -> None:
    """config.toml, line.json: frame data in hexadecimal (or {"line": raw bytes}), expected.json: what came of it."""
    expected = json.loads((case / "expected.json").read_text())
    answers = {command: [bytes.fromhex(one) for one in found] for command, found in expected.get("answers", {}).items()}

    async def main() -> None:
        module = XbeeModule(mode, answers)
        async with running(load(case / "config.toml", XbeeConfig), module) as (adapter, inbox):
            for body in json.loads((case / "line.json").read_text()):
                raw = bytes.fromhex(body["line"]) if isinstance(body, dict) else b""
                is_taken = _something_new(adapter, inbox)
                module.send(raw or frame(bytes.fromhex(body), is_escaped=module.is_escaped))
                await until(is_taken)
            await until(lambda: len(inbox.batches) >= len(expected["batches"]))
            assert inbox.shown == expected["batches"]
            assert [one.reason for one in inbox.refused] == expected.get("refused", [])
            figures = {"/".join(key).lstrip("/"): value for key, value in adapter.figures().items()}
            assert {name: figures.get(name, 0) for name in expected.get("figures", {})} == expected.get("figures", {})

    run(main)


def test_an_address_that_is_taken_costs_the_image_and_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_modbus, "AGAIN_SECONDS", 0.0)

    async def main() -> None:
        taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        listen = f"127.0.0.1:{taken.sockets[0].getsockname()[1]}"
        served = replace(settings(replace(LEVEL, unit_id=1)), virtual_modbus=VirtualModbusConfig(listen=listen))
        module = XbeeModule(1)
        async with running(served, module) as (adapter, inbox):
            assert adapter.remarks() == (f"[virtual_modbus] {listen}: Address already in use",)
            module.send(frame(received(b"\0\7")))
            await until(lambda: bool(inbox.batches))
            taken.close()
            await taken.wait_closed()
            await until(lambda: adapter.remarks() == ())

    run(main)


def _something_new(adapter: Xbee, inbox: Kept) -> Callable[[], bool]:
    """Whether anything has come of the line since now."""

    def seen() -> float:
        return len(inbox.batches) + len(inbox.refused) + sum(adapter.figures().values())

    before = seen()
    return lambda: seen() != before


@pytest.mark.parametrize("mode", [1, 2])
def test_the_order_of_messages_is_kept_over_a_thousand_of_them(mode: int) -> None:
    async def main() -> None:
        module = XbeeModule(mode)
        async with running(settings(rssi_interval_s=0.0), module) as (_, inbox):
            for first in range(0, 1000, 50):
                line = b"".join(
                    frame(received(number.to_bytes(2, "big")), is_escaped=module.is_escaped)
                    for number in range(first, first + 50)
                )
                module.send(line)
                await until(lambda first=first: len(inbox.batches) == first + 50)  # type: ignore[misc]
            assert [batch.values[0] for batch in inbox.batches] == list(range(1000))

    run(main)


def test_the_module_is_asked_for_mode_and_signal_and_nothing_is_set() -> None:
    async def main() -> None:
        module = XbeeModule(1, {"DB": [b"\x46"]})
        async with running(settings(), module) as (adapter, inbox):
            for _ in range(3):
                module.send(frame(received(b"\x00\x07")))
            await until(lambda: len(inbox.batches) == 4)
            assert {"asset_id": "tank", "values": {"rssi": -70}} in inbox.shown
            assert module.asked == ["AP", "DB"], "not after every message"
            assert adapter.figures()["tank", "rssi_dbm"] == -70

    run(main)


def test_a_signal_strength_that_may_be_another_nodes_is_not_believed() -> None:
    async def main() -> None:
        module = XbeeModule(1)
        async with running(settings(), module) as (_, inbox):
            module.send(frame(received(b"\x00\x07")))
            await until(lambda: module.asked == ["AP", "DB"])
            module.send(
                frame(received(b"\x00\x08", OTHER)) + frame(b"\x88\x02DB\x00\x46") + frame(received(b"\x00\x09"))
            )
            await until(lambda: len(inbox.batches) == 2)
            assert [one["values"] for one in inbox.shown] == [{"level": 7}, {"level": 9}]

    run(main)


def test_a_node_is_found_by_its_name_once_it_has_said_it() -> None:
    named = replace(LEVEL, node_id="", node_name="TANK 7")
    found = bytes.fromhex("1234" + NODE) + b"TANK 7\0" + bytes.fromhex("FFFE 01 00 C105 101E")

    async def main() -> None:
        module = XbeeModule(1, {"ND": [found]})
        async with running(settings(named), module) as (adapter, inbox):
            await until(lambda: not adapter._table.unresolved)
            module.send(frame(received(b"\x00\x07")))
            await until(lambda: bool(inbox.batches))
            assert module.asked[:2] == ["AP", "ND"]

    run(main)


def test_the_most_exact_row_has_the_node() -> None:
    rows = (
        replace(LEVEL, asset_id="any", node_id="0013A200"),
        replace(LEVEL, asset_id="near", node_id="0013a20041"),
        replace(LEVEL, asset_id="this"),
    )
    table = Xbee(settings(*rows))._table
    found = [table.find(int(address, 16)) for address in (NODE, "0013A20041000000", OTHER, "0013A30000000000")]
    assert [node.row.asset_id if node else None for node in found] == ["this", "near", "any", None]


def test_a_silent_port_is_not_connected_and_says_at_which_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xbee_line, "QUIET_SECONDS", 0.02)

    async def main() -> None:
        module = XbeeModule(1)
        module.is_dead = True
        adapter = Xbee(settings(path=module.path))
        with pytest.raises(NotConnected, match="no XBee module in API mode 1 or 2 answers at 9600 baud"):
            await adapter.connect(module.path)
        assert module.asked == ["AP"] * 3
        await adapter.close()
        module.unplug()

    run(main)


def test_a_module_that_falls_dumb_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xbee_line, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(xbee_line, "ASK_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(xbee_line, "DEAD_SECONDS", 0.2)

    async def main() -> None:
        module = XbeeModule(1)
        adapter = Xbee(settings(path=module.path))
        await adapter.connect(module.path)
        await listen(adapter, 15)
        assert len(module.asked) > 1, "it is asked, and it answers: alive for longer than the time-out"
        module.is_dead = True
        with pytest.raises(NotConnected, match="does not answer any more"):
            await listen(adapter, 30)
        await adapter.close()
        module.unplug()

    run(main)


def test_an_unplugged_port_is_not_connected_and_comes_back() -> None:
    async def main() -> None:
        module = XbeeModule(1)
        adapter = Xbee(settings(path=module.path))
        await adapter.connect(module.path)
        module.unplug()
        with pytest.raises(NotConnected, match=module.path):
            await listen(adapter, 3)
        with pytest.raises(NotConnected, match="/nowhere: No such file"):
            await Xbee(settings(path="/nowhere")).connect("/nowhere")
        await adapter.close()
        await adapter.close()

    run(main)


def test_frames_that_come_with_the_answer_of_the_mode_are_not_lost() -> None:
    async def main() -> None:
        module = XbeeModule(2)
        module._answers["AP"] = []
        adapter, inbox = Xbee(settings(path=module.path)), Kept()
        connecting = asyncio.create_task(adapter.connect(module.path))
        await until(lambda: bool(module.asked))
        module.send(
            frame(received(b"\x7e\x7d"), is_escaped=True)
            + frame(b"\x88\x01AP\x00\x02", is_escaped=True)
            + frame(received(b"\x11\x13"), is_escaped=True)
        )
        await connecting
        await adapter.listen(module.path, inbox)
        assert [batch.values[0] for batch in inbox.batches] == [0x7E7D, 0x1113]
        await adapter.close()
        module.unplug()

    run(main)


def test_a_port_that_another_process_has_is_said() -> None:
    async def main() -> None:
        module = XbeeModule(1)
        first, second = (Xbee(settings(path=module.path)) for _ in range(2))
        await first.connect(module.path)
        with pytest.raises(NotConnected, match=f"{module.path}: the port is in use by another process"):
            await second.connect(module.path)
        await first.close()
        module.unplug()

    run(main)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_frames_neither_crash_nor_stick_nor_grow(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way from the line to the readings; then a good frame is read."""
    row = replace(
        LEVEL, header_bytes=1, seq_at=2, tags=(*LEVEL.tags, XbeeRow(param="text", at="HR2:9", type=DataType.STRING))
    )
    adapter, batches = Xbee(settings(row)), Counter[str]()
    monkeypatch.setattr(adapter._line._port, "write", lambda _: None)

    def offer(batch: Batch) -> None:
        batches["batches"] += len(batch.values) > 0

    inbox = Kept()
    monkeypatch.setattr(inbox, "offer", offer)
    monkeypatch.setattr(inbox, "refuse", lambda refused: None)

    def take(line: bytes) -> None:
        for body in adapter._line.reader.feed(line):
            adapter._take(body, inbox)

    good = [
        *(received(bytes([number]) * 40) for number in range(100)),
        b"\x91" + bytes.fromhex(NODE) + bytes(9),
        b"\x92" + bytes.fromhex(NODE) + bytes(9),
    ]
    good += [b"\x88\x03ND\x00" + bytes(20), b"\x88\x02DB\x00\x40", b"\x95" + bytes(30), b"\x8a\x00", b"\x8b" + bytes(6)]
    campaign([frame(body) for body in good], count, take)
    assert batches["batches"] > count / 20
    assert len(adapter._table._found) + len(adapter._table._names) <= 2 * MOST_NODES
    adapter._line.reader.idle()
    before = batches["batches"]
    take(frame(received(b"\x01\x02\x03\x04\x05")))
    take(frame(received(b"\x01\x02\x04\x04\x05")))
    assert batches["batches"] > before


def test_every_configured_device_is_watched_for_silence() -> None:
    devices = Xbee(settings(LEVEL, replace(LEVEL, asset_id="b", node_id=OTHER, node_timeout_s=5.0), path="/p")).devices
    assert [(d.asset_id, d.silence_seconds, d.peer) for d in devices] == [("tank", 120.0, "/p"), ("b", 5.0, "/p")]


def device(**changes: object) -> str:
    """A table of [[devices]] with one row; keys of the row go there."""
    row = {"param": "level", "at": "40001"} | {
        key: changes.pop(key) for key in ("at", "scale", "header") if key in changes
    }
    table = {"asset_id": "a", "node_id": "0013A200", **changes}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    return (
        f"[[devices]]\n{text}tags = [{{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in row.items())} }}]\n"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (device(node_name="x"), "one of them"),
        (device(node_id="pump"), "is no address"),
        (device(unit_id=248), "unit_id: 248 is out of bounds"),
        (device(at="A9"), "'A9' is not understood"),
        (device(at="D1", scale=2.0), "neither scale nor offset"),
        (device(header="01"), "must be 0 hexadecimal digits"),
        (device() + device(asset_id="b", node_id="0013a200"), "two devices have the node '0013A200'"),
        (device() + device(node_id="0013a201"), "two devices have the asset_id 'a'"),
        ('virtual_modbus.listen = "1502"\n' + device(), "is no address"),
        ('virtual_modbus.listen = "0.0.0.0:502"\n' + device(unit_id=1), "ports below 1024 are closed to the unit"),
        ('virtual_modbus.listen = "127.0.0.1:1502"\n' + device(), "no device has a unit_id"),
        ("", "nothing to read"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, change: str, words: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'source.xbee_port = "/dev/x"\n{change}')
    with pytest.raises(ConfigError) as caught:
        load(path, XbeeConfig)
    assert words in str(caught.value)


def test_the_name_of_the_documents_is_the_kind() -> None:
    assert kind_of("xbee_modbus") == "xbee"


def test_numbers_are_those_of_one_node_and_forgotten_after_a_while() -> None:
    row = replace(LEVEL, node_id="0013A200", seq_at=0)
    node = Xbee(settings(row))._table.nodes[0]

    def is_new(address: int, number: int, now_seconds: float) -> bool:
        return node.take(Data(node=address, payload=bytes([number, 0])), now_seconds, 1) is not None

    assert [is_new(1, 7, 0.0), is_new(2, 7, 0.0), is_new(1, 7, 1.0), is_new(1, 8, 1.0)] == [True, True, False, True]
    assert is_new(1, 7, 62.0), "a node that was restarted begins anew"
    assert [is_new(3, number % 256, 0.0) for number in range(300)] == [True] * 300


def test_silence_of_a_node_is_bad(tmp_path: Path) -> None:
    """Also in the image: a PLC sees the age and the quality."""
    node = Xbee(settings(LEVEL))._table.nodes[0]
    assert node.registers(0.0)[:1] + node.registers(0.0)[200:] == [0xFFFF, 0xFFFF, Quality.BAD, 0, 0]
    node.take(Data(node=1, payload=b"\x00\x07"), 10.0, 1)
    node.signal(-70, 10.0, 1)
    assert node.registers(100.0)[:2] + node.registers(100.0)[200:] == [7, 0xFFFF, 90, Quality.GOOD, 1, 0x10000 - 70]
    assert node.registers(131.0)[201] == Quality.BAD
