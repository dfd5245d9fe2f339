"""The rest of the plant in one process: a serial line, an XBee module, an OPC UA server, MQTT sensors, LoRaWAN tanks.

Passwords and keys are systemd credentials of its unit, so that none stands in the image.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from time import time

from streamforge.config import secrets_of
from streamforge.errors import Fatal
from streamforge.sim import lora_tanks, mqtt_sensors, opcua_server, xbee_module
from streamforge.sim.energy_meter import METERS
from streamforge.sim.faults import Troubles
from streamforge.sim.image import Values
from streamforge.sim.line import Line
from streamforge.sim.lora_tanks import TANKS, LoraTanks
from streamforge.sim.mqtt_sensors import MqttSensors
from streamforge.sim.opcua_server import OpcUaServer
from streamforge.sim.plant import Plant
from streamforge.sim.server import Reply
from streamforge.sim.xbee_module import XbeeModule

UNIT = "streamforge-plant"
LINE_NAME, XBEE_NAME = "line", "xbee"
CHECK_SECONDS = 0.2
_IMPOSSIBLE: Values = {"voltage_l1": 5000.0, "frequency": 600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlaces:
    """Where the field's peers are: serial lines by name in `directory`, and the addresses of the others."""

    directory: Path
    state: Path
    opcua_port: int
    broker: str
    forward_to: tuple[str, int]


def secret(name: str) -> str:
    """A credential of the unit. Raises Fatal where there is none."""
    try:
        return secrets_of(UNIT)(name)
    except (LookupError, OSError) as error:
        msg = f"the simulated plant has no credential {UNIT}.{name}"
        raise Fatal(msg) from error


class Field:
    """All of it."""

    def __init__(self, places: FieldPlaces, *, seed: int, has_faults: bool) -> None:
        """Raises Fatal without its secrets, OSError where a name or address cannot be had."""
        self._places, self._seed, self._has_faults = places, seed, has_faults
        self._started = time()
        self._meters = Plant(
            started=self._started, seed=seed, has_faults=has_faults, assets=METERS,
            impossible={meter.unit_id: _IMPOSSIBLE for meter in METERS},
        )  # fmt: skip
        self._xbee = XbeeModule(places.directory / XBEE_NAME, self._troubles(xbee_module.ROTATION, 1), seed)
        self._opcua = OpcUaServer(
            f"opc.tcp://localhost:{places.opcua_port}/chiller/",
            places.state,
            secret("opcua-password"),
            self._troubles(opcua_server.ROTATION, 2),
            seed,
        )  # fmt: skip
        self._mqtt = MqttSensors(places.broker, secret("mqtt-password"), self._troubles(mqtt_sensors.ROTATION, 3), seed)
        keys = {tank: (secret(f"{tank}-nwk"), secret(f"{tank}-app")) for tank in TANKS}
        self._lora = LoraTanks(places.forward_to, places.state, keys, self._troubles(lora_tanks.ROTATION, 4), seed)

    def _troubles(self, rotation: tuple[str, ...], number: int) -> Troubles:
        return Troubles(started=self._started, rotation=rotation, seed=self._seed + number, has_faults=self._has_faults)

    async def start(self) -> None:
        """Everything that others connect to is there afterwards. Raises OSError where an address cannot be had."""
        await self._opcua.start()
        runs = (self._run_line(), self._xbee.run(), self._opcua.run(), self._mqtt.run(), self._lora.run())
        self._tasks = [asyncio.create_task(run) for run in runs]

    def failed(self) -> BaseException | None:
        """What ended one of them, which none does by itself."""
        return next((task.exception() for task in self._tasks if task.done() and not task.cancelled()), None)

    async def stop(self) -> None:
        """Let everything go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._xbee.close()
        self._lora.close()
        await self._opcua.stop()

    async def _run_line(self) -> None:
        """The meters answer; while the controller would reboot, the converter is pulled."""
        path = self._places.directory / LINE_NAME
        line: Line | None = Line(path, self._answer)
        try:
            while True:
                await asyncio.sleep(CHECK_SECONDS)
                if self._meters.is_down(time()) and line:
                    line.close()
                    line = None
                elif not self._meters.is_down(time()) and line is None:
                    line = Line(path, self._answer)
        finally:
            if line:
                line.close()

    def _answer(self, unit_id: int, function: int, start: int, count: int) -> Reply:
        return self._meters.answer(time(), unit_id, function, start, count)
