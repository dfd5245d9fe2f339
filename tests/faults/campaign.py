"""`python -m tests.faults.campaign --cuts N --seed S [--out FILE]`: many cuts in rounds, and a table of what was seen.

A round that was judged stands in the state file; the same call goes on after the last one.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from streamforge.logs import set_up
from tests.broker import CACHE
from tests.faults.cases import CASES, Case
from tests.faults.invariants import Verdict
from tests.faults.mounts import obstacle
from tests.faults.rig import rig
from tests.faults.rounds import Outcome, play
from tests.faults.table import table

CUTS_A_ROUND = 8
STATES = CACHE.parent / "campaign"


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


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="campaign", description="Cut the power many times and judge each cut.")
    parser.add_argument("--cuts", type=int, default=40, help="cuts of the promised cases, all together (default: 40)")
    parser.add_argument(
        "--seed", default=secrets.token_hex(4), help="repeats the moments and the traffic of a campaign"
    )
    parser.add_argument("--out", type=Path, help="where the table goes, too")
    parser.add_argument("--state", type=Path, help="the judged rounds (default: .cache/campaign/SEED-CUTS.jsonl)")
    return parser.parse_args()


def main() -> int:
    """Run or go on; 0 = every promise was kept in every cut."""
    set_up()
    asked = arguments()
    if reason := obstacle():
        sys.exit(f"campaign: no power can be cut here: {reason}")
    state = asked.state or STATES / f"{asked.seed}-{asked.cuts}.jsonl"
    for outcome in play_all(plan(asked.seed, asked.cuts), state):
        said = "; ".join(outcome.breaches) or "kept"
        print(f"{outcome.case} seed {outcome.seed} cut {outcome.cut}: {said}", file=sys.stderr, flush=True)
    outcomes = read(state)
    text = table(outcomes, CASES, asked.seed)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")
    return int(any(outcome.breaches for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
