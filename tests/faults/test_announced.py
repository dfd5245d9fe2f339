"""What the gateway says of a cut is true: its bounds hold, and where a later record shows the hole, its count is exact.

STREAMFORGE_SEED repeats the moments and the traffic of a run.
"""

import os
import secrets

import pytest

from tests.faults.announced import CUT, PUT_BACK, Announced, judge, play
from tests.faults.mounts import obstacle

SEED = os.environ.get("STREAMFORGE_SEED") or secrets.token_hex(4)


@pytest.mark.broker
@pytest.mark.timeout(240)
def test_every_cut_is_announced_with_bounds_that_hold_and_a_hole_with_its_count() -> None:
    if reason := obstacle():
        pytest.skip(f"no power can be cut here: {reason}")
    seen = list(play(SEED, 2))
    assert [one.fault for one in seen] == [CUT, CUT, PUT_BACK]
    assert [text for one in seen for text in one.breaches] == [], f"seed {SEED}: {seen}"
    assert all(one.is_reported and one.acknowledged for one in seen), f"seed {SEED}: {seen}"
    assert seen[-1].lost > 0, f"seed {SEED}: nothing was lost that could be counted: {seen}"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (Announced(events=0, at_least=0, at_most=0), "0 events"),
        (Announced(events=2, at_least=0, at_most=50), "2 events"),
        (Announced(events=1, at_least=0, at_most=9), "9 at most"),
        (Announced(events=1, at_least=13, at_most=50), "13 at least"),
    ],
)
def test_the_judge_says_what_is_not_so(said: Announced, word: str) -> None:
    assert word in " ".join(judge(said, lost=10, lost_at_most=12))


def test_the_judge_has_nothing_to_say_of_bounds_that_hold() -> None:
    assert judge(Announced(events=1, at_least=12, at_most=10), lost=10, lost_at_most=12) == []
