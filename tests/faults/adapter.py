"""A real adapter, its epochs and promises on the disk that is cut, and the truth of what it was told."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from streamforge.adapters.base import AdapterConfig, Batch, Device, Poller
from streamforge.adapters.epochs import FILE_NAME
from streamforge.adapters.poller import PollerComponent
from streamforge.bus.connection import Connection
from streamforge.model import names

ADAPTER = "plant"
DRAIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The log acknowledged so many readings of an epoch; when the adapter learned of it (monotonic)."""

    epoch: int
    readings: int
    at_seconds: float


class Machine(Poller[AdapterConfig]):
    """One device, scanned every `interval_seconds`; each scan has the same number of readings. All by the seed."""

    Config = AdapterConfig

    def __init__(self, seed: str, told: list[Told], state: Path) -> None:
        super().__init__(AdapterConfig(adapter_id=ADAPTER))
        draw = random.Random(f"{seed}:machine")
        count = draw.randint(1, 50)
        self._names = names(tuple(f"parameter_{index}" for index in range(count)), ("",) * count, bytes(count))
        self._interval_seconds = draw.uniform(0.005, 0.025)
        self._told = told
        self._state = state
        self._epoch = 0

    @property
    def devices(self) -> Sequence[Device]:
        return (Device(key="pump", asset_id="pump", interval_seconds=self._interval_seconds, names=self._names),)

    async def connect(self, device: Device) -> None:
        """It is always there."""

    async def poll(self, device: Device) -> Batch:
        """One scan; the epoch is the newest on the disk when the first is made."""
        self._epoch = self._epoch or int(json.loads((self._state / FILE_NAME).read_text())["current"]["epoch"])
        count = len(self._names)
        return Batch(
            asset_id="pump", names=self._names, values=(1.0,) * count, done=partial(self._note, self._epoch, count)
        )

    async def close(self) -> None:
        """Nothing to let go of."""

    def _note(self, epoch: int, readings: int) -> None:
        self._told.append(Told(epoch=epoch, readings=readings, at_seconds=time.monotonic()))


class RunningAdapter:
    """The runner with that machine in a thread, started anew as often as wanted. `told` is kept off the disk."""

    def __init__(self, connection: Connection, state: Path, seed: str) -> None:
        self.told: list[Told] = []
        self._connection, self._state, self._seed = connection, state, seed
        self._lives = 0
        state.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Begin the next epoch."""
        self._lives += 1
        machine = Machine(f"{self._seed}:{self._lives}", self.told, self._state)
        self._component = PollerComponent(
            machine, "test", ADAPTER, connection=self._connection, state_directory=self._state
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._component, self._ended))
        self._thread.start()

    @staticmethod
    def _run(component: PollerComponent, ended: threading.Event) -> None:
        component.open()
        while not ended.is_set():
            component.step(ended)

    def kill(self) -> None:
        """End it without a word, as far as a thread can be."""
        self._ended.set()
        self._thread.join()
        self._component.close()

    def stop(self) -> None:
        """End it in order: the log has acknowledged all that it read."""
        self._ended.set()
        self._thread.join()
        self._component.drain(time.monotonic() + DRAIN_SECONDS)
        self._component.close()

    def wait_for_acknowledgement(self) -> None:
        """Wait until the log has taken something more."""
        before, deadline = len(self.told), time.monotonic() + DRAIN_SECONDS
        while len(self.told) == before and time.monotonic() < deadline:
            time.sleep(0.02)

    def acknowledged(self, until_seconds: float) -> Counter[int]:
        """Epoch -> readings of which it was told by then."""
        found: Counter[int] = Counter()
        for one in list(self.told):
            if one.at_seconds <= until_seconds:
                found[one.epoch] += one.readings
        return found
