"""A clock that is set under the running chain, a year forward and back, and out of 1970: nothing is lost for it."""

import os
import secrets
from pathlib import Path

import pytest

from tests.faults import clock_shim
from tests.faults.clock_steps import SMALL, play

pytestmark = [
    pytest.mark.broker,
    pytest.mark.timeout(180),
    pytest.mark.skipif(bool(clock_shim.obstacle()), reason=clock_shim.obstacle()),
]


def test_no_step_loses_doubles_or_delays_a_reading_and_each_is_said_once(tmp_path: Path) -> None:
    seed = os.environ.get("STREAMFORGE_SEED") or secrets.token_hex(4)
    (seen,) = play(seed, (SMALL,), tmp_path)
    assert seen.breaches == [], seen
    assert seen.acknowledged > 0
    assert seen.figures["events"] == len(SMALL.steps)
