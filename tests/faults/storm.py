"""kill -9 of every unit but the broker in one running chain, each at its own moments: several may be dead at once."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from streamforge.errors import Fatal
from tests.faults.gateway import KAFKA, RESTART_SECONDS, Gateway
from tests.faults.kills import A_ROUND, BACK_SECONDS, UNITS, chain, judged, works
from tests.faults.seen import Seen

VICTIMS = {name: unit for name, unit in UNITS.items() if unit != KAFKA}
LIFE_SECONDS = (0.2, 3.0)
LOOK_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class Victim:
    """One unit: `left` are the numbers of the kills that it has before it."""

    name: str
    seed: str
    left: list[int]
    phase: str = "lives"
    next_at: float = 0.0
    killed_at: float = 0.0

    def __post_init__(self) -> None:
        self._live_on()

    def step(self, gateway: Gateway) -> Seen | None:
        """Do what is due; a kill that it recovered from."""
        now, unit = time.monotonic(), VICTIMS[self.name]
        if self.phase == "lives" and self.left and now >= self.next_at:
            gateway.kill(unit)
            self.phase, self.killed_at, self.next_at = "dead", now, now + RESTART_SECONDS
        elif self.phase == "dead" and now >= self.next_at:
            gateway.start_unit(unit)
            self.phase = "starts"
        elif self.phase == "starts" and _works(gateway, unit):
            return self._back(now)
        elif self.phase == "starts" and now - self.killed_at > BACK_SECONDS:
            raise Fatal(f"{unit} does not work again\n{gateway.logs()}")
        return None

    def _back(self, now: float) -> Seen:
        number = self.left.pop(0)
        self._live_on()
        fault = f"kill -9 of the {self.name}, among others"
        return Seen(fault=fault, seed=self.seed, number=number, acknowledged=0, recovery_seconds=now - self.killed_at)

    def _live_on(self) -> None:
        self.phase = "lives"
        if self.left:
            draw = random.Random(f"{self.seed}:{self.name}:{self.left[0]}")
            self.next_at = time.monotonic() + draw.uniform(*LIFE_SECONDS)


def play(seed: str, first: int, count: int) -> Iterator[Seen]:
    """`count` kills of each unit; what a round acknowledged, lost and doubled is noted at the last kill of each."""
    for start in range(first, first + count, A_ROUND):
        numbers = list(range(start, min(start + A_ROUND, first + count)))
        with chain() as running:
            victims = [Victim(name=name, seed=seed, left=list(numbers)) for name in VICTIMS]
            done = list(_storm(running.gateway, victims))
            verdict = judged(running)
        last = {one.fault: index for index, one in enumerate(done)}
        for index, one in enumerate(done):
            yield verdict(one) if last[one.fault] == index else one


def _storm(gateway: Gateway, victims: list[Victim]) -> Iterator[Seen]:
    while any(victim.left for victim in victims):
        for victim in victims:
            if seen := victim.step(gateway):
                yield seen
        time.sleep(LOOK_SECONDS)


def _works(gateway: Gateway, unit: str) -> bool:
    try:
        return works(gateway, unit)
    except OSError:
        return False
