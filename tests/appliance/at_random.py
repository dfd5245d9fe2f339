"""kill -9 and SIGSTOP of everything in the booted appliance, at random moments under load, judged at rest.

A round is one container and one deck: each victim is killed once and stopped once, for shorter or for longer than its
watchdog waits, in an order, after pauses and for spans that the seed draws. Oneshots are run again and killed at it.
Nobody waits for a recovery before the next fault, so several units are dead or hanging at once.
"""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from tests.appliance.plant import ADAPTER, AGGREGATOR, KAFKA, OVERFLOW, SINK, SYNCD, VALIDATOR, WEB, Plant, under_load
from tests.appliance.witness import Statement, Witness, watching
from tests.faults.seen import Seen

PAUSE_SECONDS = (0.2, 3.0)
MOST_NOTICED_SECONDS = 15.0
BACK_SECONDS = 120.0
LOOK_SECONDS = 0.05
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """One process of the appliance. `hang_seconds`: spans that its watchdog lets pass; a oneshot has no watchdog."""

    name: str
    unit: str
    process: Callable[[Plant], int]
    hang_seconds: tuple[float, float] = (1.0, 12.0)
    is_oneshot: bool = False

    def works(self, plant: Plant) -> bool:
        """Whether its unit says that it is well, or has done its one job."""
        if self.is_oneshot:
            return plant.is_active(self.unit)
        try:
            return bool(plant.health(self.unit)["state"] == "HEALTHY")
        except (OSError, ValueError):
            return False


def _unit(name: str, unit: str) -> Victim:
    return Victim(name=name, unit=unit, process=lambda plant: plant.main_process(unit))


def _oneshot(name: str, unit: str) -> Victim:
    return Victim(name=name, unit=unit, process=lambda plant: _at_work(plant, unit), is_oneshot=True)


def _at_work(plant: Plant, unit: str) -> int:
    """A oneshot that is done is run again; that is ours and does not count as a start of the unit."""
    if plant.is_active(unit):
        plant.shell(f"systemctl reset-failed {unit}; systemctl --no-block restart {unit}")
    return plant.main_process(unit)


VICTIMS = (
    Victim(name="broker", unit=KAFKA, process=Plant.jvm, hang_seconds=(1.0, 4.0)),
    Victim(name="broker's supervisor", unit=KAFKA, process=lambda p: p.main_process(KAFKA), hang_seconds=(1.0, 4.0)),
    _unit("adapter", ADAPTER),
    _unit("validator", VALIDATOR),
    _unit("aggregator", AGGREGATOR),
    _unit("file-sink", SINK),
    _unit("disk barrier", SYNCD),
    _unit("disk budget", OVERFLOW),
    _unit("page", WEB),
    _oneshot("oneshot reconcile", "streamforge-reconcile"),
    _oneshot("oneshot topics", "streamforge-topics"),
)
UNITS = tuple(dict.fromkeys(victim.unit for victim in VICTIMS))
CARDS = (
    *((victim, signal.SIGKILL) for victim in VICTIMS),
    *((victim, signal.SIGSTOP) for victim in VICTIMS if not victim.is_oneshot),
)
A_DECK = len(CARDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to whom, so long after the fault before. `hang_seconds` None: until its watchdog ends it."""

    number: int
    victim: Victim
    signal: signal.Signals
    pause_seconds: float
    hang_seconds: float | None = None

    @property
    def is_for_watchdog(self) -> bool:
        """Whether only its watchdog ends what is done."""
        return self.signal == signal.SIGSTOP and self.hang_seconds is None

    @property
    def name(self) -> str:
        """The row of the table."""
        if self.signal == signal.SIGKILL:
            return f"appliance: kill -9 of the {self.victim.name}"
        if self.hang_seconds is not None:
            return "appliance: SIGSTOP of any unit for a moment"
        return (
            f"appliance: SIGSTOP of {'the broker' if self.victim.unit == KAFKA else 'another unit'} until its watchdog"
        )


def deck(seed: str, number: int) -> list[Fault]:
    """All faults of a round: no unit has more starts in it than systemd allows in five minutes."""
    draw = random.Random(f"{seed}:appliance:{number}")
    cards = draw.sample(CARDS, A_DECK)
    return [
        Fault(
            number=number * A_DECK + index,
            victim=victim,
            signal=sign,
            pause_seconds=draw.uniform(*PAUSE_SECONDS),
            hang_seconds=draw.uniform(*victim.hang_seconds) if draw.random() < 0.5 else None,
        )
        for index, (victim, sign) in enumerate(cards)
    ]


@dataclass(slots=True, kw_only=True)
class Struck:
    """A fault that was done to the process behind `handle`, in that start of its unit; it may go on at `goes_on_at`."""

    fault: Fault
    handle: int
    start: str
    at_seconds: float
    at_us: float
    goes_on_at: float | None = None
    gone_at_us: float = 0.0

    @property
    def is_gone(self) -> bool:
        """Whether that very process has ended."""
        if not self.gone_at_us and select.select([self.handle], [], [], 0)[0]:
            self.gone_at_us = _now_us()
        return bool(self.gone_at_us)

    def step(self, plant: Plant, now: float) -> Seen | None:
        """Let it go on when that is due; what was seen, once the unit works again."""
        if self.goes_on_at is not None and now >= self.goes_on_at and not self.is_gone:
            signal.pidfd_send_signal(self.handle, signal.SIGCONT)
        is_due = self.is_gone if self.goes_on_at is None else now >= self.goes_on_at
        if not is_due or not self.fault.victim.works(plant) or (self.is_gone and not self._is_new(plant)):
            return None
        os.close(self.handle)
        began = self.goes_on_at or self.at_seconds
        return Seen(
            fault=self.fault.name, seed="", number=self.fault.number, acknowledged=0, recovery_seconds=now - began,
            figures={"load_average": os.getloadavg()[0]},
        )  # fmt: skip

    def _is_new(self, plant: Plant) -> bool:
        return plant.show(self.fault.victim.unit, "InvocationID") != self.start


@dataclass(slots=True)
class Drill:
    """Faults on a running appliance, and what came of each."""

    plant: Plant
    open: list[Struck] = field(default_factory=list)
    done: list[Seen] = field(default_factory=list)
    hung: list[Struck] = field(default_factory=list)

    def play(self, faults: Sequence[Fault]) -> list[Seen]:
        """Do them all; returns when everything works again. AssertionError where that does not come about."""
        for fault in faults:
            pause_ends = time.monotonic() + fault.pause_seconds
            while time.monotonic() < pause_ends:
                self._look()
            self._strike(fault)
        deadline = time.monotonic() + BACK_SECONDS
        while self.open:
            assert time.monotonic() < deadline, f"not back: {[one.fault for one in self.open]}"
            self._look()
        return sorted((self._noticed(one) for one in self.done), key=lambda one: one.number)

    def _look(self) -> None:
        for one in list(self.open):
            if seen := one.step(self.plant, time.monotonic()):
                self.open.remove(one)
                self.done.append(seen)
        time.sleep(LOOK_SECONDS)

    def _strike(self, fault: Fault) -> None:
        deadline = time.monotonic() + BACK_SECONDS
        while (handle := _handle(self.plant, fault)) is None:
            assert time.monotonic() < deadline, f"{fault.victim.name} does not start"
            self._look()
        start = self.plant.show(fault.victim.unit, "InvocationID")
        signal.pidfd_send_signal(handle, fault.signal)
        now = time.monotonic()
        struck = Struck(fault=fault, handle=handle, start=start, at_seconds=now, at_us=_now_us())
        if fault.signal == signal.SIGSTOP and fault.hang_seconds is not None:
            struck.goes_on_at = now + fault.hang_seconds
        elif fault.signal == signal.SIGSTOP:
            self.hung.append(struck)
        self.open.append(struck)

    def _noticed(self, seen: Seen) -> Seen:
        """How soon the watchdog saw a hang that it had to end; one that another fault ended says nothing."""
        hung = next((one for one in self.hung if one.fault.number == seen.number), None)
        after = _watchdog_seconds(self.plant, hung) if hung else None
        if hung is None or after is None:
            return seen
        is_late = hung.fault.victim.unit == KAFKA and after > MOST_NOTICED_SECONDS
        late = [f"hang noticed after {after:.1f} s, {MOST_NOTICED_SECONDS:.0f} s promised"] if is_late else []
        return replace(seen, figures=seen.figures | {"noticed_seconds": after}, breaches=late)


def _handle(plant: Plant, fault: Fault) -> int | None:
    """The victim's process; None while it has none. A unit that starts has no watchdog yet that could end a hang."""
    if fault.is_for_watchdog and not plant.is_active(fault.victim.unit):
        return None
    try:
        process = fault.victim.process(plant)
        return os.pidfd_open(process) if process else None
    except (OSError, StopIteration):
        return None


def _now_us() -> float:
    return time.time() * MICROSECONDS


def _watchdog_seconds(plant: Plant, hung: Struck) -> float | None:
    words = (f"--unit={hung.fault.victim.unit}.service", "--grep=Watchdog timeout", "--case-sensitive=yes")
    times = [int(entry["__REALTIME_TIMESTAMP"]) for entry in plant.container.journal(*words)]
    after = [(at_us - hung.at_us) / MICROSECONDS for at_us in times if hung.at_us < at_us < hung.gone_at_us]
    return min(after, default=None)


def judged(plant: Plant, witness: Witness, last: Seen) -> Seen:
    """Bring the appliance to rest and judge it by what the witness saw, topics, files, and the product's account."""
    plant.wait_for_work()
    breaches = [f"I6: {unit} is {state}" for unit, state in _states(plant).items() if state != "active"]
    breaches += [f"I7: {unit} was given up" for unit in plant.container.failed_units()]
    if plant.ledger().get("balanced") is not True:
        breaches.append(f"the ledger does not balance: {plant.ledger()}")
    with plant.at_rest() as verdict:
        told = witness.speak()
    breaches += [f"I1, I4: {name}: {found}" for name, found in verdict.faults().items()]
    breaches += unkept(told)
    doubled = [verdict.raw_doubled, verdict.clean_doubled, verdict.windows_doubled]
    return replace(
        last,
        acknowledged=told.seen,
        lost=told.gone + told.unfounded + max(0, verdict.export_missing),
        doubled=sum(map(len, doubled)) + verdict.export_doubled,
        breaches=[*last.breaches, *breaches],
    )


def unkept(told: Statement) -> list[str]:
    """What a witness says against the log, in words."""
    return [
        *([] if told.seen else ["the witness saw no reading"]),
        *([f"I1: {told.gone} readings that stood on the log are gone"] if told.gone else []),
        *([f"I1: {told.unfounded} readings that the adapter was told of are not there"] if told.unfounded else []),
    ]


def _states(plant: Plant) -> dict[str, str]:
    return {unit: plant.show(unit, "ActiveState") for unit in UNITS}


def play_in(plant: Plant, seed: str, faults: Sequence[Fault]) -> list[Seen]:
    """A round in an appliance that runs; what it acknowledged, lost and doubled is noted at its last fault."""
    plant.shell("systemctl reset-failed")  # what was killed before does not count against this round
    with watching(plant.container) as witness:
        done = [replace(seen, seed=seed) for seen in Drill(plant).play(faults)]
        return [*done[:-1], judged(plant, witness, done[-1])]


def play(seed: str, first: int, count: int) -> Iterator[Seen]:
    """The faults from number `first` on, each deck in a container of its own."""
    for number, numbers in groupby(range(first, first + count), lambda one: one // A_DECK):
        wanted = set(numbers)
        with under_load() as plant:
            plant.wait_for_work()
            yield from play_in(plant, seed, [fault for fault in deck(seed, number) if fault.number in wanted])
