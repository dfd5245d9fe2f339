"""Damage in the log at rest: nothing intact is skipped, nothing that is gone is silent, nobody is held."""

import os
from pathlib import Path

import pytest

from tests.faults.damage import MOST_A_ROUND, play

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
SEED = os.environ.get("STREAMFORGE_SEED", "shipped")


def test_a_damaged_log_is_read_to_its_end_and_what_is_lost_is_reported(tmp_path: Path) -> None:
    """One round on raw, through the validator; one fault on clean, through aggregator and sink."""
    seen = list(play(SEED, MOST_A_ROUND + 1, tmp_path))
    assert len(seen) == MOST_A_ROUND + 1
    assert [(one.fault, one.seed, one.number, one.breaches) for one in seen if one.breaches] == []
    assert all(one.is_reported and not one.doubled for one in seen)
    assert sum(one.lost for one in seen) > 0, "damage that costs nothing proves nothing"
