"""The simulated world: one schedule of events, and the units that it starts, steps, kills and starts again."""

import asyncio
import heapq
import os
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from streamforge.adapters.poller import PollerComponent
from streamforge.bus.connection import Connection
from streamforge.incarnations import FILE
from streamforge.service import Component
from tests.faults.simulated.broker import Broker
from tests.faults.simulated.clock import Clock
from tests.faults.simulated.life import Killed, Life
from tests.faults.simulated.loop import SimulatedLoop
from tests.faults.simulated.plant import Plant
from tests.faults.simulated.targets import Target
from tests.faults.simulated.units import ADAPTER, UNITS, Make, Site, makers

BARRIER_SECONDS = 0.5
STEP_SECONDS = (0.02, 0.5)
RESTART_SECONDS = (0.1, 1.5)
DRAIN_SECONDS = 5.0


class Pause(threading.Event):
    """The `stop` of a step: a wait in it is not waited, it is the time until the next step."""

    seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        """Note how long."""
        self.seconds += timeout or 0.0
        return False


@dataclass(slots=True)
class Unit:
    """What systemd keeps running."""

    name: str
    make: Make
    life: Life
    component: Component | None = None


class World:
    """Everything of one schedule but its faults. Deterministic in `seed`."""

    def __init__(self, seed: str, directory: Path) -> None:
        self.draw = Random(f"{seed}:world")
        self.clock = Clock()
        self.broker = Broker(self.clock, self.draw)
        self.broker.later, self.broker.wait = self.later, self.wait
        self.directory = directory
        self.incarnations_file = directory / FILE
        self.is_powered = True
        self.boots = 0
        self.crashes: list[str] = []
        self.plant = Plant(self.clock, self.draw)
        self.targets = {name: Target() for name in UNITS if name.startswith("sink")}
        (directory / "plant").mkdir()
        site = Site(plant=self.plant, targets=self.targets, age_ms=self.draw.choice((50, 400, 1500)), state=directory)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._lives: dict[str, Life] = {}
        self.units = {name: Unit(name, make, self._dead(name)) for name, make in makers(site).items()}
        self.later(self.draw.uniform(0.0, BARRIER_SECONDS), self._sync)

    def _dead(self, name: str) -> Life:
        life = Life(name, self.broker)
        life.end()
        return life

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self._events, (self.clock.seconds + seconds, next(self._numbers), call))

    def wait(self, seconds: float) -> None:
        """A caller blocks, and the rest goes on."""
        self.advance(self.clock.seconds + seconds, None)

    def advance(self, until: float, life: Life | None) -> None:
        """Let everything happen up to then, or up to the end of `life`."""
        while self._events and self._events[0][0] <= until and not (life and life.is_dead):
            at, _, call = heapq.heappop(self._events)
            self.clock.seconds = max(self.clock.seconds, at)
            call()
        if not (life and life.is_dead):
            self.clock.seconds = max(self.clock.seconds, until)

    def run(self, seconds: float) -> None:
        """Let the world go on. The adapter's event loop drives it while there is one."""
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            unit = self.units[ADAPTER]
            life, component = unit.life, unit.component
            if life.is_dead or component is None:
                self.advance(min(until, self.clock.seconds + BARRIER_SECONDS), None)
                continue
            self._step_once(unit, life, component)
            if life.is_dead:
                self._reap(unit, life)

    def _sync(self) -> None:
        if self.is_powered:
            self.broker.log.barrier()
        self.later(BARRIER_SECONDS, self._sync)

    def connection(self, life: Life) -> Connection:
        """The connection of one process."""
        address = f"life-{next(self._numbers)}"
        self._lives[address] = life
        return Connection(
            bootstrap=address,
            username="u",
            password="p",
            client_id="c",
            incarnations_file=self.incarnations_file,
            barrier_directory=Path(address),
        )

    def life_at(self, address: str) -> Life:
        """Whose connection that is."""
        return self._lives[address]

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the adapter that opens just now."""
        return SimulatedLoop(self.clock, self.units[ADAPTER].life, self.advance, self.draw)

    def start(self, name: str) -> None:
        """Start a unit, where there is power and none runs."""
        unit = self.units[name]
        if not self.is_powered or not unit.life.is_dead or _is_under_way(unit.component):
            return
        _let_go(unit.component)  # killed before its first step
        life = unit.life = Life(name, self.broker)
        unit.component = unit.make(life, self.connection(life))
        unit.component.open()
        if name != ADAPTER:
            self.later(self.draw.uniform(*STEP_SECONDS), lambda: self._step(unit, life))

    def start_later(self, name: str) -> None:
        """systemd starts a unit in a moment."""
        self.later(self.draw.uniform(*RESTART_SECONDS), lambda: self.start(name))

    def kill(self, name: str) -> None:
        """kill -9; systemd starts it again."""
        unit = self.units[name]
        unit.life.end()
        self.start_later(name)

    def _step(self, unit: Unit, life: Life) -> None:
        if life.is_dead or unit.component is None:
            return
        if self.clock.seconds < life.stopped_until:
            self.later(life.stopped_until - self.clock.seconds, lambda: self._step(unit, life))
            return
        seconds = self._step_once(unit, life, unit.component)
        if life.is_dead:
            self._reap(unit, life)
        else:
            self.later(self.draw.uniform(*STEP_SECONDS) + seconds, lambda: self._step(unit, life))

    def _step_once(self, unit: Unit, life: Life, component: Component) -> float:
        """One step, or an orderly stop; how long the unit waits then."""
        pause = Pause()
        try:
            if life.is_stopping:
                component.drain(self.clock.seconds + DRAIN_SECONDS)
                component.close()
                life.end()
            else:
                component.step(pause)
        except Killed:
            life.end()
        return pause.seconds

    def _reap(self, unit: Unit, life: Life) -> None:
        if unit.life is not life:
            return
        _let_go(unit.component)
        unit.component = None
        self.start_later(unit.name)

    def close(self) -> None:
        """Let go of what the process that simulates holds."""
        for unit in self.units.values():
            unit.life.end()
            _let_go(unit.component)

    def publish(self, text: str) -> None:
        """The doctor publishes the list of incarnations; its stamp is of simulated time."""
        self.incarnations_file.write_text(text)
        stamp = self.clock.monotonic_ns()
        os.utime(self.incarnations_file, ns=(stamp, stamp))


def _is_under_way(component: Component | None) -> bool:
    """Whether a killed adapter's loop still waits below another unit's step; it is started when that has ended."""
    return isinstance(component, PollerComponent) and component._loop.is_running()


def _let_go(component: Component | None) -> None:
    """Of a dead adapter its event loop is left: what was suspended in it never goes on."""
    if isinstance(component, PollerComponent):
        for task in asyncio.all_tasks(component._loop):
            coroutine = task.get_coro()
            assert isinstance(coroutine, Coroutine)
            coroutine.close()
        component._loop.close()
