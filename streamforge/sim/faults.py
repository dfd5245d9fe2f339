"""What goes wrong in the simulated plant and when: one fault at a time, in a fixed rotation, a pause between two."""

from dataclasses import dataclass
from enum import StrEnum

from streamforge.sim.signals import uniform

PAUSE_SECONDS = 20.0
FAULT_SECONDS = 10.0
SLOT_SECONDS = PAUSE_SECONDS + FAULT_SECONDS


class Trouble(StrEnum):
    """Ways in which a machine misbehaves."""

    SILENCE = "silence"
    EXCEPTION = "exception"
    SLOW = "slow"
    OUT_OF_RANGE = "out-of-range"
    REBOOT = "reboot"


ROTATION = tuple(Trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One trouble of one machine (a reboot is of all), from `since` for FAULT_SECONDS."""

    trouble: Trouble
    unit_id: int
    since: float


def fault_at(elapsed: float, units: int, seed: int) -> Fault | None:
    """The fault `elapsed` seconds after the start, or None in a pause; the seed chooses which machine is first."""
    slot, phase = divmod(elapsed, SLOT_SECONDS)
    if phase < PAUSE_SECONDS:
        return None
    number = int(slot)
    first = int(uniform(seed, 0) * units)
    unit_id = 1 + (first + number // len(ROTATION)) % units
    trouble = ROTATION[number % len(ROTATION)]
    return Fault(trouble=trouble, unit_id=unit_id, since=slot * SLOT_SECONDS + PAUSE_SECONDS)


def last_reboot_end(elapsed: float) -> float | None:
    """When, in seconds after the start, the last complete reboot ended; None before the first."""
    place = ROTATION.index(Trouble.REBOOT)
    rounds = (elapsed - (place + 1) * SLOT_SECONDS) // (SLOT_SECONDS * len(ROTATION))
    return None if rounds < 0 else (place + 1 + rounds * len(ROTATION)) * SLOT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """What one peer that sends by itself does wrong, and when: its own troubles in turn, in the slots of the others."""

    started: float
    rotation: tuple[str, ...]
    seed: int
    has_faults: bool

    def now(self, now: float) -> str:
        """The trouble at this Unix time; "" = none."""
        slot, phase = divmod(now - self.started, SLOT_SECONDS)
        if not self.has_faults or phase < PAUSE_SECONDS:
            return ""
        first = int(uniform(self.seed, 0) * len(self.rotation))
        return self.rotation[(first + int(slot)) % len(self.rotation)]
