"""The faults of a schedule: what can happen, and how a seed draws it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from streamforge.model import Topic
from tests.faults.simulated.units import UNITS

TRAFFIC_SECONDS = 18.0
MOST_FAULTS = 8


class Kind(StrEnum):
    """What can happen. `subject` of a fault is a unit, a topic or a target; `amount` seconds, a count or a share."""

    KILL = "kill -9 of a unit"
    KILL_INSIDE = "kill -9 of a unit at its next exchanges"
    RESTART = "orderly restart of a unit"
    STOP = "SIGSTOP of a unit"
    GIVE_UP = "a unit's producer gives up"
    BROKER_KILLED = "kill -9 of the broker"
    BROKER_STOPPED = "SIGSTOP of the broker"
    POWER_CUT = "power cut"
    EVICTION = "eviction"
    CLOCK_STEP = "clock step"
    TARGET_AWAY = "target away"
    ANSWER_LOST = "COMMIT without its answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, `at` seconds after the start; `seed` draws what is random in it."""

    at: float
    kind: Kind
    subject: str
    amount: float
    seed: str

    def __str__(self) -> str:
        return f"{self.at:7.3f} s  {self.kind.value}: {self.subject} {self.amount:g}".rstrip()


SINKS = tuple(unit for unit in UNITS if unit.startswith("sink"))
WRITERS = tuple(unit for unit in UNITS if not unit.startswith("sink"))
EVICTED = (Topic.TELEMETRY_RAW.value, Topic.TELEMETRY_CLEAN.value, Topic.TELEMETRY_1S.value, Topic.DLQ_TELEMETRY.value)
STEPS_SECONDS = (-366 * 86_400.0, -3_600.0, -60.0, -8.0, 8.0, 60.0, 3_600.0, 366 * 86_400.0, -60 * 365 * 86_400.0)


def draw_schedule(seed: str) -> tuple[Fault, ...]:
    """The faults of a seed, in order of time."""
    draw = Random(f"{seed}:faults")
    found = [_draw_fault(draw, f"{seed}:{number}") for number in range(draw.randint(1, MOST_FAULTS))]
    return tuple(sorted(found, key=lambda fault: fault.at))


def _draw_fault(draw: Random, seed: str) -> Fault:
    kind = draw.choice(tuple(Kind))
    subject, amount = _draw_detail(draw, kind)
    return Fault(at=round(draw.uniform(0.2, TRAFFIC_SECONDS), 3), kind=kind, subject=subject, amount=amount, seed=seed)


def _draw_detail(draw: Random, kind: Kind) -> tuple[str, float]:
    seconds = round(draw.choice((0.3, 2.0, 8.0)) * draw.uniform(0.5, 1.5), 3)
    subjects = SUBJECTS.get(kind)
    subject = draw.choice(subjects) if subjects else ""
    return subject, AMOUNTS[kind](draw) if kind in AMOUNTS else seconds


SUBJECTS = {
    Kind.KILL: UNITS,
    Kind.KILL_INSIDE: UNITS,
    Kind.RESTART: UNITS,
    Kind.STOP: UNITS,
    Kind.GIVE_UP: WRITERS,
    Kind.EVICTION: EVICTED,
    Kind.TARGET_AWAY: SINKS,
    Kind.ANSWER_LOST: SINKS,
}
# Of the others the amount is seconds.
AMOUNTS: dict[Kind, Callable[[Random], float]] = {
    Kind.KILL: lambda _draw: 0.0,
    Kind.RESTART: lambda _draw: 0.0,
    Kind.GIVE_UP: lambda _draw: 0.0,
    Kind.KILL_INSIDE: lambda draw: float(draw.randint(0, 12)),
    Kind.POWER_CUT: lambda draw: draw.choice((0.0, 0.0, *STEPS_SECONDS)),
    Kind.EVICTION: lambda draw: round(draw.uniform(0.1, 1.0), 3),
    Kind.CLOCK_STEP: lambda draw: draw.choice(STEPS_SECONDS),
    Kind.ANSWER_LOST: lambda draw: float(draw.randint(1, 2)),
}
