"""Sparkplug over a real broker: births, data, a death by the broker's will, a restart in mid-stream, rebirths."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from streamforge.adapters.mqtt import Mqtt
from streamforge.adapters.mqtt_config import MqttConfig, SparkplugRow
from streamforge.adapters.mqtt_source import Source
from streamforge.adapters.sparkplug_wire import decode
from streamforge.sim.sparkplug import M, payload
from tests.adapters.mqtt_bench import away, listening, run, until
from tests.adapters.mqtt_peers import Box, Mosquitto, Publisher, mosquitto, wait_for

NBIRTH, NDEATH, NDATA = (f"spBv1.0/G/{kind}/N" for kind in ("NBIRTH", "NDEATH", "NDATA"))
BIRTH = payload(M("bdSeq", "long", 3, type=8), M("Temp", value=20.0, type=10, alias=5), seq=0)
DEATH = payload(M("bdSeq", "long", 3, type=8))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


def adapter(port: int, state: Path, *, rebirth: bool = False) -> Mqtt:
    source = Source(broker=f"mqtt://127.0.0.1:{port}", client_id="host")
    made = Mqtt(MqttConfig(source=source, sparkplug=SparkplugRow(groups=("G",), rebirth=rebirth)))
    made.state_directory = state
    return made


class EdgeNode:
    """Connects with its death as the will, is born, and can be cut off."""

    def __init__(self, port: int) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.will_set(NDEATH, DEATH, qos=1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.publish(NBIRTH, BIRTH).wait_for_publish(10)

    def data(self, value: float, seq: int) -> None:
        self.client.publish(NDATA, payload(M(alias=5, value=value), seq=seq)).wait_for_publish(10)

    def cut(self) -> None:
        """Without a goodbye, so that the broker publishes the will."""
        sock = self.client.socket()
        self.client.loop_stop()
        if sock is not None:
            sock.close()


def test_from_birth_to_death_over_a_restart(broker: Mosquitto, tmp_path: Path) -> None:
    async def main() -> None:
        box, mqtt = Box(), adapter(broker.port, tmp_path)
        async with listening(mqtt, box):
            node = await away(lambda: EdgeNode(broker.port))
            await away(lambda: node.data(21.0, 1))
            await away(lambda: node.data(22.0, 4))
            await until(lambda: len(box.readings) == 3)
        await mqtt.close()
        assert box.readings == [("G/N", "Temp", value) for value in (20.0, 21.0, 22.0)]
        assert [event.type for event in box.signals] == ["data_gap"]
        again, second = Box(), adapter(broker.port, tmp_path)
        async with listening(second, again):
            await away(lambda: node.data(23.0, 9))
            await away(node.cut)
            await until(lambda: len(again.readings) == 2)
        await second.close()
        assert again.readings == [("G/N", "Temp", 23.0), ("G/N", "Temp", None)]
        assert again.batches[-1].reasons == {0: "node_offline"}
        assert second.details()["may_lose"], "edge nodes publish with QoS 0"

    run(main())


@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_birth_is_asked_for_only_if_that_is_allowed(broker: Mosquitto, tmp_path: Path, is_allowed: bool) -> None:
    heard: list[bytes] = []
    ear = paho.Client(CallbackAPIVersion.VERSION2)
    ear.on_message = lambda _c, _u, message: heard.append(bytes(message.payload))
    ear.connect("127.0.0.1", broker.port)
    ear.subscribe("spBv1.0/+/NCMD/#")
    ear.loop_start()

    async def main() -> None:
        box, mqtt = Box(), adapter(broker.port, tmp_path, rebirth=is_allowed)
        async with listening(mqtt, box):
            with Publisher(broker.port) as publisher:
                messages = [(NDATA, payload(M(alias=9, value=1.0), seq=seq)) for seq in (7, 8)]
                await away(lambda: publisher.send_all(messages))
            await until(lambda: box.refused)
            if is_allowed:
                await away(lambda: wait_for(lambda: bool(heard), "a command"))
            assert mqtt.remarks() == ["waiting for the birth of G/N"]
            await asyncio.sleep(0.1)
        await mqtt.close()

    run(main())
    ear.disconnect()
    ear.loop_stop()
    assert [decode(raw).metrics[0].name for raw in heard] == ["Node Control/Rebirth"] * is_allowed
