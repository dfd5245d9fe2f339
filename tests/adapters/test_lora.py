"""Messages of LoRa devices become readings once, whoever sends them again."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters import lora_gateways, lora_serial
from streamforge.adapters.lora import Lora
from streamforge.adapters.lora_config import LoraConfig, LoraDevice, LoraRow, LoraSource
from streamforge.adapters.lora_gateways import Gateways
from streamforge.config import load
from streamforge.errors import NotConnected
from streamforge.sim.lorawan import APP_SKEY, DEV_ADDR, GATEWAY, NWK_SKEY, push_data, uplink
from tests.adapters.mutations import FEW, MANY, campaign
from tests.adapters.radio_peers import Kept, Pty, until

SERVER_CASES = ("chirpstack", "ttn")  # over a broker: test_lora_server.py
CASES = [
    case for case in sorted((Path(__file__).parents[1] / "cases" / "lora").iterdir()) if case.name not in SERVER_CASES
]
SOURCE = LoraSource(transport="semtech_udp", listen="127.0.0.1:0", gateways=(GATEWAY.upper(),), gateway_timeout_s=0.0)
TANK = LoraDevice(
    asset_id="tank",
    dev_addr=DEV_ADDR,
    nwk_skey=NWK_SKEY,
    app_skey=APP_SKEY,
    tags=(LoraRow(param="level", at="40001"),),
)
CONFIG = LoraConfig(source=SOURCE, devices=(TANK,))


def gateways(adapter: Lora) -> Gateways:
    assert isinstance(adapter._transport, Gateways)
    return adapter._transport


class Gateway:
    """A packet forwarder on a real socket."""

    def __init__(self, adapter: Lora) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", gateways(adapter).port.port))
        self._socket.setblocking(False)

    def send(self, datagram: bytes) -> None:
        self._socket.send(datagram)

    async def answer(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._socket, 100), 5)

    def close(self) -> None:
        self._socket.close()


@asynccontextmanager
async def running(config: LoraConfig, state: Path) -> AsyncIterator[tuple[Lora, Kept]]:
    """The adapter, listening as the runner lets it."""
    adapter, inbox = Lora(config), Kept()
    adapter.state_directory = state
    (peer,) = adapter.peers
    await adapter.connect(peer)

    async def forever() -> None:
        while True:
            await adapter.listen(peer, inbox)

    work = asyncio.create_task(forever())
    try:
        yield adapter, inbox
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await adapter.close()
        await adapter.close()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def figure(adapter: Lora, name: str) -> float:
    return adapter.figures().get(("", name), 0.0)


class Modem(Pty):
    """A modem on a pty that answers every line with OK, or as `answers` says.

    An RN2483 hears one thing each time that it is told to receive: the next of `heard_next`.
    """

    is_dumb = False

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        super().__init__()
        self._answers = answers or {}
        self.heard_next: list[str] = []

    def on_heard(self) -> None:
        if self.heard.endswith(b"\n") and not self.is_dumb:
            line = self.heard.decode().splitlines()[-1]
            self.send(self._answers.get(line, "OK").encode() + b"\r\n")
            if line == "radio rx 0" and self.heard_next:
                self.send(self.heard_next.pop(0).encode())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_case(case: Path, tmp_path: Path) -> None:
    """config.toml, heard.json: frames of a device or lines of a modem, expected.json: what came of them."""
    config = load(case / "config.toml", LoraConfig)
    expected = json.loads((case / "expected.json").read_text())

    async def main() -> None:
        modem = Modem(expected.get("answers"))
        all_heard = json.loads((case / "heard.json").read_text())
        if config.source.modem == "rn2483":
            modem.heard_next, all_heard = all_heard, []
        source = replace(config.source, listen="127.0.0.1:0", lora_port=modem.path, gateway_timeout_s=0.0)
        async with running(replace(config, source=source), tmp_path) as (adapter, inbox):
            gateway = Gateway(adapter) if config.source.transport == "semtech_udp" else None
            for heard in all_heard:
                if gateway:
                    gateway.send(_datagram(heard))
                else:
                    modem.send(heard.encode("latin-1"))
                await asyncio.sleep(0)
            figures = expected.get("figures", {})

            def is_done() -> bool:
                seen = {name: adapter.figures().get(tuple(name.rpartition("/")[::2]), 0) for name in figures}
                return len(inbox.batches) >= len(expected["batches"]) and seen == figures

            await until(is_done)
            assert inbox.shown == expected["batches"]
            assert [one.reason for one in inbox.refused] == expected.get("refused", [])
            if gateway:
                gateway.close()
        modem.unplug()

    run(main)


def _datagram(heard: dict[str, Any]) -> bytes:
    """From {"counter", "payload", "port", ...}, or {"datagram": hexadecimal}."""
    if "datagram" in heard:
        return bytes.fromhex(heard["datagram"])
    gateway = heard.pop("gateway", GATEWAY)
    counter, payload = heard.pop("counter"), bytes.fromhex(heard.pop("payload"))
    return push_data(uplink(counter, payload, **heard), gateway=gateway)


def test_gateways_are_acknowledged_and_only_those_that_are_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(CONFIG, tmp_path) as (adapter, inbox):
            gateway = Gateway(adapter)
            gateway.send(b"\x02\xab\xcd\x02" + bytes.fromhex(GATEWAY))
            assert await gateway.answer() == b"\x02\xab\xcd\x04"
            gateway.send(push_data(uplink(1, b"\0\1"), gateway="ff" * 8))
            gateway.send(push_data(uplink(2, b"\0\2")))
            assert await gateway.answer() == b"\x02\x12\x34\x01", "the unknown one got no answer"
            await until(lambda: bool(inbox.batches))
            assert [batch.values[0] for batch in inbox.batches] == [2]
            assert figure(adapter, "datagrams_of_unknown_gateways") == 1
            gateway.close()

    run(main)


def test_a_frame_that_two_gateways_heard_is_one_and_a_replayed_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamforge.adapters import lora_devices

    async def main() -> None:
        async with running(CONFIG, tmp_path) as (adapter, inbox):
            gateway = Gateway(adapter)
            frame = uplink(5, b"\0\5")
            gateway.send(push_data(frame, frame))
            await until(lambda: figure(adapter, "copies_of_other_gateways") == 1)
            monkeypatch.setattr(lora_devices, "COPIES_SECONDS", -1.0)
            gateway.send(push_data(frame, uplink(4, b"\0\4"), uplink(6, b"\0\6", nwk_skey="00" * 16)))
            await until(lambda: figure(adapter, "replayed_frames") == 2)
            assert figure(adapter, "bad_mic") == 1
            assert len(inbox.batches) == 1
            gateway.close()

    run(main)


def test_a_replayed_frame_is_refused_after_a_kill_too(tmp_path: Path) -> None:
    async def heard(frame: bytes, name: str) -> list[float]:
        async with running(CONFIG, tmp_path) as (adapter, inbox):
            gateway = Gateway(adapter)
            gateway.send(push_data(frame))
            await until(lambda: bool(inbox.batches) or figure(adapter, name) > 0)
            gateway.close()
            gateways(adapter).counters = None  # killed: nothing is closed or synced
            return [batch.values[0] for batch in inbox.batches]

    assert asyncio.run(heard(uplink(65_600, b"\0\1"), "replayed_frames")) == [1]
    assert asyncio.run(heard(uplink(65_600, b"\0\1"), "replayed_frames")) == []
    assert asyncio.run(heard(uplink(65_601, b"\0\2"), "replayed_frames")) == [2]


def test_a_disk_that_takes_no_counter_costs_no_reading(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(CONFIG, tmp_path) as (adapter, inbox):
            counters = gateways(adapter).counters
            assert counters is not None
            counters.close()
            gateway = Gateway(adapter)
            gateway.send(push_data(uplink(1, b"\0\1")))
            await until(lambda: bool(inbox.batches))
            assert figure(adapter, "counters_not_saved") == 1
            gateway.close()

    run(main)


def test_time_and_signal_are_those_of_the_gateway(tmp_path: Path) -> None:
    device = replace(TANK, tags=(*TANK.tags, LoraRow(param="rssi", at="RSSI"), LoraRow(param="count", at="FCNT")))

    async def main() -> None:
        async with running(replace(CONFIG, devices=(device,)), tmp_path) as (adapter, inbox):
            gateway = Gateway(adapter)
            packet = json.loads(push_data(uplink(3, b"\0\7"))[12:])["rxpk"][0]
            gateway.send(push_data({**packet, "time": "2013-03-31T16:21:17.528002Z"}))
            await until(lambda: bool(inbox.batches))
            assert inbox.shown == [{"asset_id": "tank", "values": {"level": 7, "rssi": -57, "count": 3}}]
            assert inbox.batches[0].device_times_us == (1_364_746_877_528_002,)
            assert adapter.figures()["tank", "rssi_dbm"] == -57
            gateway.close()

    run(main)


def test_an_address_that_no_gateway_sends_to_is_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_gateways, "QUIET_SECONDS", 0.02)

    async def main() -> None:
        adapter, inbox = Lora(replace(CONFIG, source=replace(SOURCE, gateway_timeout_s=0.2))), Kept()
        (peer,) = adapter.peers
        with pytest.raises(NotConnected, match="no gateway sends here"):
            await adapter.connect(peer)
        gateway = Gateway(adapter)
        gateway.send(push_data(uplink(1, b"\0\1"), gateway="ff" * 8))
        gateway.send(push_data(uplink(1, b"\0\1")))
        await adapter.connect(peer)
        await adapter.listen(peer, inbox)
        assert [batch.values[0] for batch in inbox.batches] == [1], "the first call is no less a message"
        assert await gateway.answer() == b"\x02\x12\x34\x01"
        with pytest.raises(NotConnected, match="no gateway has called for 0 s"):
            await listen(adapter, inbox, 30)
        gateway.close()
        await adapter.close()

    run(main)


async def listen(adapter: Lora, inbox: Kept, times: int) -> None:
    for _ in range(times):
        await adapter.listen(adapter.peers[0], inbox)


def test_a_taken_address_is_not_connected() -> None:
    async def main() -> None:
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        taken.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        adapter = Lora(replace(CONFIG, source=replace(SOURCE, listen=listen)))
        with pytest.raises(NotConnected, match=f"{listen}: "):
            await adapter.connect(listen)
        taken.close()

    run(main)


def test_a_flood_of_datagrams_takes_a_bounded_place(tmp_path: Path) -> None:
    async def main() -> None:
        adapter = Lora(CONFIG)
        for _ in range(5_000):
            gateways(adapter).port.datagram_received(b"x" * 100, ("127.0.0.1", 1))
        assert gateways(adapter).port._waiting.qsize() == 1_024
        assert adapter.figures()["", "dropped_datagrams"] == 5_000 - 1_024

    run(main)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_datagrams_neither_crash_nor_stick_nor_grow(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way from the socket to the readings; then a good frame is read."""
    tags = (*TANK.tags, LoraRow(param="warm", at="LPP1.TEMPERATURE", fport=2))
    adapter, inbox = Lora(replace(CONFIG, devices=(replace(TANK, tags=tags),))), Kept()
    gateways(adapter).network.open(None)
    monkeypatch.setattr(inbox, "refuse", lambda refused: None)

    def take(datagram: bytes) -> None:
        gateways(adapter).take(datagram, ("127.0.0.1", 1), inbox)

    good = [push_data(uplink(counter, b"\x01\x67\x00\x10", counter % 3 or None)) for counter in range(1, 50)]
    campaign(good, count, take)
    assert len(inbox.batches) <= 50, "each frame is read once, and no mutated one"
    take(push_data(uplink(100, b"\0\7")))
    assert inbox.batches[-1].values == (7,)


def serial(path: str, **changes: Any) -> LoraConfig:
    source = LoraSource(transport="serial", lora_port=path, **changes)
    return LoraConfig(source=source, devices=(replace(TANK, header="07"), replace(TANK, asset_id="other", header="08")))


def test_a_modem_is_told_what_the_configuration_says_and_to_receive(tmp_path: Path) -> None:
    async def main() -> None:
        modem = Modem()
        async with running(serial(modem.path, commands=("AT+NWM=0",)), tmp_path) as (_, inbox):
            assert modem.heard == b"AT+NWM=0\r\nAT+PRECV=65534\r\n"
            modem.send(b"+EVT:RXP2P:-6:1:080009\r\n")
            await until(lambda: bool(inbox.batches))
            assert inbox.shown == [{"asset_id": "other", "values": {"level": 9}}]
        modem.unplug()

    run(main)


def test_a_modem_that_does_not_answer_or_is_gone_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_serial, "ANSWER_SECONDS", 0.02)

    async def main() -> None:
        modem = Modem()
        modem.is_dumb = True
        adapter = Lora(serial(modem.path))
        with pytest.raises(NotConnected, match=f"{modem.path}: the modem does not answer 'AT.PRECV=65534'"):
            await adapter.connect(modem.path)
        modem.is_dumb = False
        await adapter.connect(modem.path)
        modem.unplug()
        with pytest.raises(NotConnected, match=modem.path):
            await adapter.listen(modem.path, Kept())
        await adapter.close()

    run(main)
