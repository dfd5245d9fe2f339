"""Two tanks whose LoRaWAN devices are heard by one gateway, which forwards them by the Semtech UDP protocol."""

import asyncio
import json
import os
import socket
import struct
from pathlib import Path
from time import time

from streamforge.sim.faults import Troubles
from streamforge.sim.lorawan import push_data, uplink
from streamforge.sim.signals import noise, wave

GATEWAY = "a84041ffff1e2f30"
EVERY_SECONDS, PULL_SECONDS = 4.0, 10.0
PORT = 2
REPLAY, BAD_MIC, SILENCE = "replay", "bad MIC", "silence"
ROTATION = (REPLAY, BAD_MIC, SILENCE)
COUNTERS_FILE = "lora-counters.json"
TANKS = {"tank_1": "26011b01", "tank_2": "26011b02"}


class LoraTanks:
    """Sends datagrams to `forward_to`; the frame counters outlive it in `directory`, as a device's do."""

    def __init__(
        self,
        forward_to: tuple[str, int],
        directory: Path,
        keys: dict[str, tuple[str, str]],
        troubles: Troubles,
        seed: int,
    ) -> None:
        """`keys`: network and application session key of each tank, in hexadecimal."""
        self._forward_to, self._keys = forward_to, keys
        self._troubles, self._seed = troubles, seed
        self._file = directory / COUNTERS_FILE
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._counters: dict[str, int] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def close(self) -> None:
        """The gateway is switched off."""
        self._socket.close()

    async def run(self) -> None:
        """Both tanks send, and the gateway calls now and then."""
        pulled = 0.0
        while True:
            now = time()
            if now - pulled > PULL_SECONDS:
                pulled = now
                self._send(b"\x02" + os.urandom(2) + b"\x02" + bytes.fromhex(GATEWAY))
            trouble = self._troubles.now(now)
            if trouble != SILENCE:
                for place, tank in enumerate(self._keys):
                    self._send(push_data(self._heard(tank, place, now, trouble), gateway=GATEWAY, token=os.urandom(2)))
            await asyncio.sleep(EVERY_SECONDS)

    def _heard(self, tank: str, place: int, now: float, trouble: str) -> bytes:
        counter = self._counters.get(tank, 0) + (trouble != REPLAY)
        self._counters[tank] = counter
        self._file.write_text(json.dumps(self._counters))
        network, application = self._keys[tank]
        content = _tank(self._seed + place, now)
        frame = uplink(counter, content, PORT, dev_addr=TANKS[tank], nwk_skey=network, app_skey=application)
        return frame[:-1] + bytes([frame[-1] ^ 1]) if trouble == BAD_MIC else frame

    def _send(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._forward_to)


def _tank(seed: int, t: float) -> bytes:
    """Level (mm), temperature (tenths of a degree), battery (tenths of a volt), a bit that says that it leaks."""
    level = round(2100.0 + 900.0 * wave(t, 3600.0, 0.1 * seed) + 3.0 * noise(seed, t, 5.0))
    temperature = round(10.0 * (17.0 + 2.0 * wave(t, 7200.0)))
    return struct.pack(">HhBB", level, temperature, 36, 0)
