"""`python -m tests.faults.campaign [--cuts N] [--kills N] ... [--seed S]`: many faults, and tables of what was seen.

`... campaign frames` is another one, of frames changed at random (`frames.py`).

What was judged stands in state files, one a subject; the same call goes on after the last one.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from streamforge.logs import set_up
from tests.broker import CACHE
from tests.faults import cuts, frames
from tests.faults.cases import CASES
from tests.faults.mounts import obstacle
from tests.faults.rounds import Outcome
from tests.faults.seen import Seen
from tests.faults.subjects import SUBJECTS, Subject
from tests.faults.table import table, table_of_cuts

STATES = CACHE.parent / "campaign"
CUTS = 40
OPTIONS = tuple(dict.fromkeys(subject.option for subject in SUBJECTS))


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What was asked for; without a number of anything it is 40 power cuts."""
    parser = argparse.ArgumentParser(prog="campaign", description="Do many faults, and judge each.")
    parser.add_argument("--cuts", type=int, help=f"power cuts of a bare log, all together (alone: {CUTS})")
    for option in OPTIONS:
        names = ", ".join(subject.name for subject in SUBJECTS if subject.option == option)
        parser.add_argument(f"--{option}", type=int, default=0, help=f"faults of each of: {names}")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="of these subjects alone")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="repeats what a campaign draws")
    parser.add_argument("--out", type=Path, help="where the tables go, too")
    parser.add_argument("--state", type=Path, default=STATES, help="the directory of what was judged")
    asked = parser.parse_args(words)
    if asked.cuts is None:
        asked.cuts = 0 if any(getattr(asked, _key(option)) for option in OPTIONS) else CUTS
    if unknown := set(asked.only) - {subject.name for subject in SUBJECTS}:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    return asked


def _key(option: str) -> str:
    return option.replace("-", "_")


def chosen(asked: argparse.Namespace) -> dict[Subject, int]:
    """The subjects that were asked for, and how many faults of each."""
    counts = {subject: int(getattr(asked, _key(subject.option))) for subject in SUBJECTS}
    return {subject: n for subject, n in counts.items() if n and (not asked.only or subject.name in asked.only)}


def read(state: Path) -> list[Seen]:
    """What was judged of one subject."""
    lines = state.read_text().splitlines() if state.exists() else []
    return [Seen(**json.loads(line)) for line in lines]


def play_on(subject: Subject, seed: str, count: int, state: Path) -> list[Seen]:
    """Play what the state file does not have yet; all that was judged of the subject."""
    state.parent.mkdir(parents=True, exist_ok=True)
    first = 1 + max((seen.number for seen in read(state)), default=-1)
    if first < count:
        for seen in subject.play(seed, first, count - first):
            with state.open("a") as file:
                file.write(json.dumps(asdict(seen)) + "\n")
            _say(f"{seen.fault} seed {seen.seed} fault {seen.number}", seen.breaches)
    return read(state)


def play_cuts(seed: str, count: int, state: Path) -> list[Outcome]:
    """The power cuts of a bare log: all that were judged."""
    for outcome in cuts.play_all(cuts.plan(seed, count), state):
        _say(f"{outcome.case} seed {outcome.seed} cut {outcome.cut}", outcome.breaches)
    return cuts.read(state)


def _say(what: str, breaches: Sequence[str]) -> None:
    print(f"{what}: {'; '.join(breaches) or 'kept'}", file=sys.stderr, flush=True)


def main() -> int:
    """Run or go on; 0 = every promise was kept at every fault."""
    if sys.argv[1:2] == ["frames"]:
        return frames.main(sys.argv[2:])
    set_up()
    asked = arguments(sys.argv[1:])
    subjects = chosen(asked)
    needs_disk = asked.cuts or any(subject.needs_disk for subject in subjects)
    if needs_disk and (reason := obstacle()):
        sys.exit(f"campaign: no power can be cut here: {reason}")
    outcomes: list[Outcome] = []
    seen: list[Seen] = []
    texts = []
    if asked.cuts:
        outcomes = play_cuts(asked.seed, asked.cuts, asked.state / f"{asked.seed}-{asked.cuts}.jsonl")
        texts.append(table_of_cuts(outcomes, CASES, asked.seed))
    for subject, count in subjects.items():
        seen += play_on(subject, asked.seed, count, asked.state / f"{asked.seed}-{subject.name}.jsonl")
    if seen:
        texts.append(table(seen, asked.seed))
    print("\n\n".join(texts))
    if asked.out:
        asked.out.write_text("\n\n".join(texts) + "\n")
    return int(any(one.breaches for one in outcomes) or any(one.breaches for one in seen))


if __name__ == "__main__":
    sys.exit(main())
