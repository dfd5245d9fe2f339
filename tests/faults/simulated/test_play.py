"""Random schedules of faults on the simulated broker: every promise holds in each, and a seed repeats it.

STREAMFORGE_SEED plays the schedules of another seed; a failure prints its schedule, made as short as it fails.
"""

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.faults.seen import Seen
from tests.faults.simulated.faults import Kind, draw_schedule
from tests.faults.simulated.play import play

SEED = os.environ.get("STREAMFORGE_SEED") or "suite"
SCHEDULES = 150
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def played() -> list[Seen]:
    return list(play(SEED, 0, SCHEDULES))


@pytest.mark.timeout(300)
def test_every_promise_holds_in_every_schedule(played: list[Seen]) -> None:
    assert {f"{one.seed}-{one.number}": one.breaches for one in played if one.breaches} == {}


@pytest.mark.parametrize(
    ("seed", "number"),
    [
        ("1127", 5082),
        ("1128", 588),
        *(("1129", number) for number in (766, 2717, 5915, 6659, 8948, 9193)),
        ("1131", 7665),
    ],
)
def test_what_failed_once_holds(seed: str, number: int) -> None:
    assert [one.breaches for one in play(seed, number, 1)] == [[]]


def test_the_schedules_do_what_they_are_for(played: list[Seen]) -> None:
    assert sum(one.acknowledged for one in played) > 100 * SCHEDULES
    assert sum(one.lost for one in played) > 0
    assert sum(one.figures["evicted_readings"] for one in played) > 0
    assert sum(one.figures["cuts"] for one in played) > SCHEDULES // 10
    kinds = {fault.kind for one in played for fault in draw_schedule(f"{one.seed}-{one.number}")}
    assert kinds == set(Kind)


def test_a_seed_repeats_a_schedule_to_the_last_figure_in_another_process_too(played: list[Seen]) -> None:
    first = 7
    code = f"from tests.faults.simulated.play import play\nprint([*play({SEED!r}, {first}, 8)])"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    again = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert again.stdout.strip() == str(played[first : first + 8])


def test_a_line_of_a_campaign_can_be_made_of_it(played: list[Seen]) -> None:
    assert Seen(**asdict(played[0])) == played[0]
