"""The rest of the plant, read by the adapters with the demo's own configuration: every parameter is there and GOOD."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters.base import AdapterConfig, Batch, Refused, Subscriber
from streamforge.adapters.lora import Lora
from streamforge.adapters.lora_config import LoraConfig
from streamforge.adapters.modbus_rtu import ModbusRtu
from streamforge.adapters.modbus_rtu_config import ModbusRtuConfig
from streamforge.adapters.mqtt import Mqtt
from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.opcua import OpcUa
from streamforge.adapters.opcua_config import OpcUaConfig
from streamforge.adapters.opcua_trust import TRUSTED
from streamforge.adapters.xbee import Xbee
from streamforge.adapters.xbee_config import XbeeConfig
from streamforge.config import load
from streamforge.errors import NotConnected
from streamforge.gateway.throwaway import free_port
from streamforge.model import Alarm, Event
from streamforge.sim import lora_tanks, mqtt_sensors, opcua_server, xbee_module
from streamforge.sim.energy_meter import METERS
from streamforge.sim.faults import FAULT_SECONDS, PAUSE_SECONDS, SLOT_SECONDS, Troubles
from streamforge.sim.line import Line
from streamforge.sim.lora_tanks import TANKS, LoraTanks
from streamforge.sim.mqtt_sensors import MqttSensors
from streamforge.sim.opcua_server import OpcUaServer, make_certificate
from streamforge.sim.plant import COMMISSIONED, Plant
from streamforge.sim.xbee_module import XbeeModule
from tests.adapters.mqtt_peers import MOSQUITTO, Mosquitto

PLANT = Path(__file__).parents[2] / "hw-profiles/container/mkosi.extra/usr/share/streamforge/plant/adapters"
PASSWORD = "only this test's"
KEYS = {tank: (f"{number:032x}", f"{number + 7:032x}") for number, tank in enumerate(TANKS)}
SECONDS = 30.0


class Stuck(Troubles):
    """One trouble for ever; "" = none."""

    def now(self, now: float) -> str:
        return self.rotation[0]


def always(trouble: str) -> Troubles:
    return Stuck(started=0.0, rotation=(trouble,), seed=0, has_faults=True)


WELL = always("")


@dataclass
class Box:
    """What an adapter put into its inbox, by asset and parameter: how often GOOD, and the reasons where not."""

    good: dict[str, int] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)
    signals: list[Event | Alarm] = field(default_factory=list)

    async def put(self, batch: Batch) -> None:
        self.offer(batch)

    def offer(self, batch: Batch) -> None:
        self.reasons |= set(batch.reasons.values())
        for place, name in enumerate(batch.names.parameters):
            if not batch.qualities or batch.qualities[place] == 0:
                key = f"{batch.asset_id}.{name}"
                self.good[key] = self.good.get(key, 0) + 1
        batch.done()

    def signal(self, signal: Event | Alarm, done: Callable[[], None] = lambda: None) -> None:
        self.signals.append(signal)
        done()

    def refuse(self, refused: Refused, done: Callable[[], None] = lambda: None) -> None:
        self.refused.append(refused)
        done()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not is_so():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(adapter: Subscriber[Any], state: Path) -> AsyncIterator[Box]:
    """The adapter, as its runner has it listen."""
    box = Box()
    adapter.place("adapter", state)
    (peer,) = adapter.peers

    async def forever() -> None:
        while True:
            try:
                await adapter.connect(peer)
                while True:
                    await adapter.listen(peer, box)
            except (NotConnected, OSError):
                await asyncio.sleep(0.1)

    work = asyncio.create_task(forever())
    try:
        yield box
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await adapter.close()


@asynccontextmanager
async def running(peer: XbeeModule | MqttSensors | LoraTanks | OpcUaServer) -> AsyncIterator[None]:
    work = asyncio.create_task(peer.run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        if isinstance(peer, XbeeModule | LoraTanks):
            peer.close()


def expected(config: AdapterConfig) -> set[str]:
    """Every parameter that the configuration names."""
    return {f"{device.asset_id}.{row.param}" for device in config.devices for row in device.tags}  # type: ignore[attr-defined]


def test_the_meters_answer_over_their_line(tmp_path: Path) -> None:
    now = COMMISSIONED + 1_234_567.0
    plant = Plant(started=now, assets=METERS)

    async def main() -> None:
        line = Line(tmp_path / "line", lambda *asked: plant.answer(now, *asked))
        config = load(PLANT / "modbus-rtu/hall.toml", ModbusRtuConfig)
        modbus = ModbusRtu(replace(config, source=replace(config.source, port=str(tmp_path / "line"))))
        read: dict[tuple[str, str], float] = {}
        for device in modbus.devices:
            await modbus.connect(device)
            batch = await modbus.poll(device)
            assert batch.qualities == b""
            read |= {(batch.asset_id, name): batch.values[i] for i, name in enumerate(batch.names.parameters)}
        assert len(read) == sum(len(meter.points) for meter in METERS)
        truth = plant.values(3, now)
        assert read["meter_3", "power"] == pytest.approx(truth["power"], rel=1e-6)
        assert read["meter_3", "energy"] == pytest.approx(truth["energy"], abs=0.01)
        await modbus.close()
        line.close()

    asyncio.run(main())


@asynccontextmanager
async def wells(tmp_path: Path, troubles: Troubles, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Box, Xbee]]:
    monkeypatch.setattr(xbee_module, "EVERY_SECONDS", 0.05)
    config = load(PLANT / "xbee/wells.toml", XbeeConfig)
    adapter = Xbee(
        replace(config, source=replace(config.source, xbee_port=str(tmp_path / "xbee"), rssi_interval_s=0.2))
    )
    async with running(XbeeModule(tmp_path / "xbee", troubles, 7)), listening(adapter, tmp_path) as box:
        yield box, adapter


def test_the_wells_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with wells(tmp_path, WELL, monkeypatch) as (box, _):
            await box.until(lambda: set(box.good) >= expected(load(PLANT / "xbee/wells.toml", XbeeConfig)))
            assert box.reasons == set()

    asyncio.run(main())


@pytest.mark.parametrize("trouble", [xbee_module.GARBAGE, xbee_module.BAD_CHECKSUM, xbee_module.SILENCE])
def test_what_a_noisy_radio_brings_is_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    async def main() -> None:
        async with wells(tmp_path, always(trouble), monkeypatch) as (box, adapter):
            if trouble == xbee_module.GARBAGE:
                await box.until(lambda: box.good.get("well_1.flow", 0) > 2)
            elif trouble == xbee_module.BAD_CHECKSUM:
                await box.until(lambda: any(value > 2 for value in adapter.figures().values()))
                assert box.good == {}
            else:
                await asyncio.sleep(0.3)
                assert box.good == {}

    asyncio.run(main())


@asynccontextmanager
async def chiller(tmp_path: Path, troubles: Troubles, password: str = PASSWORD) -> AsyncIterator[tuple[Box, OpcUa]]:
    url = f"opc.tcp://localhost:{free_port()}/chiller/"
    server = OpcUaServer(url, tmp_path / "server", PASSWORD, troubles, 7)
    await server.start()
    config = load(PLANT / "opcua/chiller.toml", OpcUaConfig)
    trusted = tmp_path / "state/pki" / TRUSTED
    trusted.mkdir(parents=True)
    (trusted / "plant.der").write_bytes(make_certificate(tmp_path / "server").read_bytes())
    adapter = OpcUa(replace(config, source=replace(config.source, endpoint=url, password=password)))
    try:
        async with running(server), listening(adapter, tmp_path / "state") as box:
            yield box, adapter
    finally:
        await server.stop()


def test_the_chiller_is_subscribed_to_and_browsed(tmp_path: Path) -> None:
    async def main() -> None:
        async with chiller(tmp_path, WELL) as (box, adapter):
            wanted = expected(load(PLANT / "opcua/chiller.toml", OpcUaConfig))
            wanted |= {"chiller.Water.Flow", "chiller.Compressor2.Running"}
            await box.until(lambda: set(box.good) >= wanted)
            assert box.reasons == set()
            assert adapter.remarks() == []

    asyncio.run(main())


def test_the_chiller_says_that_it_is_short_of_refrigerant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = [False]
    monkeypatch.setattr(opcua_server, "is_short_of_refrigerant", lambda _: short[0])

    async def main() -> None:
        async with chiller(tmp_path, WELL) as (box, _):
            await box.until(lambda: bool(box.good))
            short[0] = True
            await box.until(lambda: len(box.signals) == 1)
            short[0] = False
            await box.until(lambda: len(box.signals) == 2)
            raised, cleared = box.signals
            assert isinstance(raised, Alarm)
            assert isinstance(cleared, Alarm)
            assert "2.2 bar" in raised.message
            assert raised.alarm_id == cleared.alarm_id

    asyncio.run(main())


def test_a_chiller_with_a_broken_sensor_or_a_cut_link(tmp_path: Path) -> None:
    async def main(directory: Path, trouble: str) -> set[str]:
        async with chiller(directory, always(trouble)) as (box, _):
            if trouble == opcua_server.BAD_VALUE:
                await box.until(lambda: bool(box.reasons))
            await box.until(lambda: box.good.get("chiller.Compressor1.Load", 0) > 2)
            return box.reasons

    assert any("SensorFailure" in reason for reason in asyncio.run(main(tmp_path / "bad", opcua_server.BAD_VALUE)))
    asyncio.run(main(tmp_path / "cut", opcua_server.CUT))


@asynccontextmanager
async def hall(tmp_path: Path, troubles: Troubles) -> AsyncIterator[tuple[Box, Mqtt]]:
    passwords = tmp_path / "passwords"
    passwords.write_text(f"gateway:{PASSWORD}\n")
    subprocess.run([str(Path(MOSQUITTO).parent.parent / "bin/mosquitto_passwd"), "-U", passwords], check=True)
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    config = load(PLANT / "mqtt/hall.toml", MqttConfig)
    source = replace(config.source, broker=f"mqtt://127.0.0.1:{broker.port}", password=PASSWORD)
    sensors = MqttSensors(f"mqtt://gateway@127.0.0.1:{broker.port}", PASSWORD, troubles, 7)
    adapter = Mqtt(replace(config, source=source))
    try:
        async with running(sensors), listening(adapter, tmp_path) as box:
            yield box, adapter
    finally:
        broker.stop()


WANTED = {
    "cold_room_1.temperature", "cold_room_2.humidity", "cold_room_1.door_open", "scale.weight", "mixer.Speed",
    "mixer.Torque", "mixer.Batches", "mixer.Running", "mixer.Recipe",
}  # fmt: skip


def test_the_hall_publishes_and_its_node_is_born(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_sensors, "EVERY_SECONDS", 0.1)

    async def main() -> None:
        async with hall(tmp_path, WELL) as (box, adapter):
            await box.until(lambda: set(box.good) >= WANTED)
            assert box.refused == []
            assert list(adapter.remarks()) == []

    asyncio.run(main())


def test_a_broken_payload_is_refused_and_a_hole_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_sensors, "EVERY_SECONDS", 0.1)

    async def broken() -> None:
        async with hall(tmp_path, always(mqtt_sensors.NOT_JSON)) as (box, _):
            await box.until(lambda: len(box.refused) > 1 and "scale.weight" in box.good)
            assert {refused.where for refused in box.refused} == {"plant/cold_room_1/state"}

    asyncio.run(broken())


@asynccontextmanager
async def tanks(tmp_path: Path, troubles: Troubles, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Box, Lora]]:
    monkeypatch.setattr(lora_tanks, "EVERY_SECONDS", 0.05)
    config = load(PLANT / "lora/tanks.toml", LoraConfig)
    devices = tuple(
        replace(device, nwk_skey=KEYS[device.asset_id][0], app_skey=KEYS[device.asset_id][1])
        for device in config.devices
    )
    port = free_port()
    source = replace(config.source, listen=f"127.0.0.1:{port}")
    adapter = Lora(replace(config, source=source, devices=devices))
    sender = LoraTanks(("127.0.0.1", port), tmp_path, KEYS, troubles, 7)
    async with running(sender), listening(adapter, tmp_path) as box:
        yield box, adapter


def test_the_tanks_are_heard_and_go_on_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = expected(load(PLANT / "lora/tanks.toml", LoraConfig))

    async def main() -> None:
        async with tanks(tmp_path, WELL, monkeypatch) as (box, _):
            await box.until(lambda: set(box.good) >= wanted)

    asyncio.run(main())
    asyncio.run(main())  # the counters went on: nothing is taken for a replay


@pytest.mark.parametrize("trouble", [lora_tanks.REPLAY, lora_tanks.BAD_MIC])
def test_a_replay_and_a_forgery_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    async def main() -> None:
        async with tanks(tmp_path, always(trouble), monkeypatch) as (box, adapter):
            await box.until(lambda: sum(adapter.figures().values()) > 8)
            assert all(count <= 1 for count in box.good.values())

    asyncio.run(main())


def test_each_trouble_has_its_turn_with_pauses_between() -> None:
    troubles = Troubles(started=100.0, rotation=("one", "two"), seed=3, has_faults=True)
    assert troubles.now(100.0 + PAUSE_SECONDS - 1) == ""
    shown = [troubles.now(100.0 + slot * SLOT_SECONDS + PAUSE_SECONDS + FAULT_SECONDS / 2) for slot in range(4)]
    assert sorted(shown[:2]) == ["one", "two"]
    assert shown[:2] == shown[2:]
    assert replace(troubles, has_faults=False).now(100.0 + PAUSE_SECONDS + 1) == ""
