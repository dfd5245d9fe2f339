"""One round: the plant runs, power is cut at drawn moments, and what each cut left is mounted, started and judged."""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass

from tests.faults import log
from tests.faults.barrier import Barrier, barrier
from tests.faults.cases import Case
from tests.faults.disk import Cut
from tests.faults.invariants import Acknowledged, Verdict, breaches, judge
from tests.faults.plant import running
from tests.faults.rig import Rig

EPOCH = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run left: its cuts in order, and the truth by topic."""

    cuts: list[Cut]
    truth: dict[str, list[Acknowledged]]
    longest_barrier_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One cut, judged: a verdict a topic, and in words what was not kept."""

    case: str
    seed: str
    cut: int
    took_seconds: float
    recovery_seconds: float
    longest_barrier_seconds: float
    verdicts: dict[str, Verdict]
    breaches: list[str]


def moments(case: Case, seed: str, cuts: int) -> list[float]:
    """When a round's cuts are, in seconds after the plant began."""
    draw = random.Random(f"{seed}:moments")
    return sorted(case.first_seconds + draw.uniform(0.0, case.span_seconds * cuts) for _ in range(cuts))


def run(rig: Rig, case: Case, seed: str, cuts: int) -> Run:
    """Boot, let the plant run, and take the copies; the broker runs on until they are judged."""
    rig.boot()
    with ExitStack() as undo:
        seen = Barrier()
        if case.has_barrier:
            seen = undo.enter_context(barrier(rig.disk.point))
        plant = undo.enter_context(running(seen.beside(rig.admin), case.traffic, seed))
        began = time.monotonic()
        taken = []
        for number, moment in enumerate(moments(case, seed, cuts)):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            name = f"{case.name}-{number}"
            part = rig.disk.cut_with_a_part(name, f"{seed}:{number}") if case.is_partial else None
            taken.append(part or rig.disk.cut(name))
    return Run(cuts=taken, truth=plant.acknowledged(), longest_barrier_seconds=seen.longest_seconds)


def examine(rig: Rig, case: Case, cut: Cut, truth: dict[str, list[Acknowledged]]) -> tuple[float, dict[str, Verdict]]:
    """Start the broker on what the cut left: seconds until it answers, and a verdict a topic."""
    recovery_seconds = rig.recover(cut, case.bounds[0].topic)
    return recovery_seconds, {
        topic: judge(
            acknowledged,
            log.standing(rig.admin, topic, epoch=EPOCH),
            began_seconds=cut.began_seconds,
            ended_seconds=cut.ended_seconds,
        )
        for topic, acknowledged in truth.items()
    }


def play(rig: Rig, case: Case, seed: str, cuts: int) -> list[Outcome]:
    """One whole round."""
    done = run(rig, case, seed, cuts)
    outcomes = []
    for number, cut in enumerate(done.cuts):
        recovery_seconds, verdicts = examine(rig, case, cut, done.truth)
        cut.file.unlink()
        if cut.late is not None:
            cut.late.file.unlink()
        outcomes.append(
            Outcome(
                case=case.name,
                seed=seed,
                cut=number,
                took_seconds=cut.ended_seconds - cut.began_seconds,
                recovery_seconds=recovery_seconds,
                longest_barrier_seconds=done.longest_barrier_seconds,
                verdicts=verdicts,
                breaches=[text for bound in case.bounds for text in breaches(verdicts[bound.topic], bound)],
            )
        )
    return outcomes
