"""A campaign's power cuts of a bare log: planned in rounds, and what was judged is remembered."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from tests.faults.cases import CASES, Case
from tests.faults.invariants import Verdict
from tests.faults.rig import rig
from tests.faults.rounds import Outcome, play

CUTS_A_ROUND = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round to be played."""

    case: Case
    seed: str
    cuts: int


def plan(seed: str, cuts: int) -> list[Round]:
    """`cuts` cuts spread over the promised cases, in rounds; and one round of each control experiment."""
    promised = [case for case in CASES.values() if case.is_promised]
    planned = []
    for number, case in enumerate(promised):
        share = len(range(number, cuts, len(promised)))
        for first in range(0, share, CUTS_A_ROUND):
            size = min(CUTS_A_ROUND, share - first)
            planned.append(Round(case=case, seed=f"{seed}-{first // CUTS_A_ROUND}", cuts=size))
    controls = [case for case in CASES.values() if not case.is_promised]
    return planned + [Round(case=case, seed=f"{seed}-0", cuts=max(1, cuts // 20)) for case in controls]


def read(state: Path) -> list[Outcome]:
    """The outcomes of the rounds that were judged."""
    lines = state.read_text().splitlines() if state.exists() else []
    return [_outcome(json.loads(line)) for line in lines]


def _outcome(raw: dict[str, object]) -> Outcome:
    verdicts: dict[str, dict[str, float]] = raw.pop("verdicts")  # type: ignore[assignment] # as `keep` wrote it
    return Outcome(**raw, verdicts={topic: Verdict(**one) for topic, one in verdicts.items()})  # type: ignore[arg-type]


def keep(state: Path, outcomes: list[Outcome]) -> None:
    """Add a round to the state file, in one write."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with state.open("a") as file:
        file.write("".join(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes))


def play_all(planned: list[Round], state: Path) -> Iterator[Outcome]:
    """Play the rounds that the state file does not have; one disk for all that follow each other on its kind."""
    done = {(outcome.case, outcome.seed) for outcome in read(state)}
    left = [one for one in planned if (one.case.name, one.seed) not in done]
    for has_cache, rounds in groupby(left, key=lambda one: one.case.has_cache):
        with ExitStack() as undo:
            site = undo.enter_context(rig(has_cache=has_cache))
            for one in rounds:
                outcomes = play(site, one.case, one.seed, one.cuts)
                keep(state, outcomes)
                yield from outcomes
