"""What the plant publishes to an MQTT broker: two cold rooms as JSON, a scale as plain numbers, one Sparkplug node.

The node `edge_1` has one device, `mixer`: births with aliases, then data by alias and sequence number, and a death
certificate as its will.
"""

import asyncio
import json
from contextlib import suppress
from time import monotonic, sleep, time
from urllib.parse import urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from streamforge.sim.faults import Troubles
from streamforge.sim.signals import noise, wave
from streamforge.sim.sparkplug import M, payload, text

GROUP, NODE, DEVICE = "plant", "edge_1", "mixer"
ROOMS = ("cold_room_1", "cold_room_2")
EVERY_SECONDS, CONNECT_SECONDS = 1.0, 2.0
NOT_JSON, SEQUENCE_HOLE, DEATH = "not JSON", "sequence hole", "death"
ROTATION = (NOT_JSON, SEQUENCE_HOLE, DEATH)
_DOUBLE, _INT32, _UINT64, _BOOLEAN, _STRING = 10, 3, 8, 11, 12
_SPEED, _TORQUE, _BATCHES, _RUNNING = 1, 2, 3, 4
_QOS = 1


class MqttSensors:
    """Publishes over one connection; each connection begins with the births."""

    def __init__(self, broker: str, password: str, troubles: Troubles, seed: int) -> None:
        """`broker` = mqtt://user@host:port."""
        self._place = urlsplit(broker)
        self._password, self._troubles, self._seed = password, troubles, seed
        self._started, self._births, self._sequence = time(), 0, 0
        self._is_birth_due = True

    async def run(self) -> None:
        """Publish; where the broker is away, try again."""
        while True:
            if self._troubles.now(time()) != DEATH:
                with suppress(OSError):
                    await self._session()
            await asyncio.sleep(CONNECT_SECONDS)

    async def _session(self) -> None:
        """One connection, until the node dies or the broker goes."""
        client = await asyncio.to_thread(self._connected)
        try:
            while client.is_connected():
                if self._is_birth_due:
                    self._publish_births(client)
                now = time()
                trouble = self._troubles.now(now)
                if trouble == DEATH:
                    return
                self._publish(client, now, trouble)
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            client.loop_stop()
            if link := client.socket():
                link.close()  # without a word, so that the broker publishes the will

    def _connected(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id="streamforge-sim")
        client.username_pw_set(self._place.username, self._password)
        client.will_set(_topic("NDEATH"), payload(M("bdSeq", "long", self._births + 1, _UINT64)), _QOS)
        client.on_message = self._on_command
        client.connect(self._place.hostname or "127.0.0.1", self._place.port or 1883)
        client.loop_start()
        deadline = monotonic() + CONNECT_SECONDS
        while not client.is_connected() and monotonic() < deadline:
            sleep(0.02)
        client.subscribe(_topic("NCMD"))
        self._births, self._is_birth_due = self._births + 1, True
        return client

    def _on_command(self, *_: object) -> None:
        """In the client's thread: the one command that a host may give is to be born again."""
        self._is_birth_due = True

    def _publish_births(self, client: Client) -> None:
        self._is_birth_due, self._sequence = False, 0
        born = [M("bdSeq", "long", self._births, _UINT64), M("Node Control/Rebirth", "bool", value=0, type=_BOOLEAN)]
        client.publish(_topic("NBIRTH"), self._sealed(born), 0)
        values = self._mixer(time())
        metrics = [
            M("Speed", "double", values[_SPEED], _DOUBLE, _SPEED, properties=_unit("rpm")),
            M("Torque", "double", values[_TORQUE], _DOUBLE, _TORQUE, properties=_unit("Nm")),
            M("Batches", "int", values[_BATCHES], _INT32, _BATCHES),
            M("Running", "bool", values[_RUNNING], _BOOLEAN, _RUNNING),
            M("Recipe", "string", "standard 12", _STRING),
        ]
        client.publish(_topic("DBIRTH", DEVICE), self._sealed(metrics), 0)

    def _publish(self, client: Client, now: float, trouble: str) -> None:
        for place, room in enumerate(ROOMS):
            content = json.dumps(_cold_room(self._seed + 10 * place, now))
            said = content[:9] if trouble == NOT_JSON and place == 0 else content
            client.publish(f"plant/{room}/state", said, _QOS)
        weight = 812.0 + 90.0 * wave(now, 240.0) + noise(self._seed + 3, now, 2.0)
        client.publish("plant/scale/weight", f"{weight:.1f}", _QOS)
        if trouble == SEQUENCE_HOLE:
            self._sequence += 1
        values = self._mixer(now)
        metrics = [
            M(kind="double", value=values[_SPEED], alias=_SPEED),
            M(kind="double", value=values[_TORQUE], alias=_TORQUE),
            M(kind="int", value=values[_BATCHES], alias=_BATCHES),
            M(kind="bool", value=values[_RUNNING], alias=_RUNNING),
        ]
        client.publish(_topic("DDATA", DEVICE), self._sealed(metrics), 0)

    def _sealed(self, metrics: list[M]) -> bytes:
        time_ms = int(time() * 1000)
        for metric in metrics:
            metric.time_ms = time_ms
        sequence, self._sequence = self._sequence % 256, self._sequence + 1
        return payload(*metrics, seq=sequence, time_ms=time_ms)

    def _mixer(self, t: float) -> dict[int, float | int]:
        elapsed = t - self._started
        return {
            _SPEED: 1450.0 + 25.0 * noise(self._seed, t, 2.0),
            _TORQUE: 38.0 + 6.0 * wave(t, 90.0) + noise(self._seed + 1, t, 1.0),
            _BATCHES: int(elapsed // 90.0),
            _RUNNING: int(elapsed % 90.0 > 6.0),
        }


def _topic(message: str, device: str = "") -> str:
    return "/".join(["spBv1.0", GROUP, message, NODE, *([device] if device else [])])


def _unit(unit: str) -> dict[str, tuple[int, bytes]]:
    """The property `engUnit`: a string."""
    return {"engUnit": (_STRING, text(8, unit))}


def _cold_room(seed: int, t: float) -> dict[str, object]:
    return {
        "ts": int(t * 1000),
        "temperature": round(-18.0 + 1.5 * wave(t, 1500.0) + 0.2 * noise(seed, t, 6.0), 2),
        "humidity": round(62.0 + 3.0 * noise(seed + 1, t, 30.0), 1),
        "door": t % 600.0 < 12.0,
    }
