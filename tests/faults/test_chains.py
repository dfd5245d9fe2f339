"""Whole chains under every kind of fault that a campaign tries with them, a few of each.

STREAMFORGE_SEED repeats what is drawn; a failure names its seed.
"""

import os
import secrets

import pytest

from tests.faults import away, chain_cuts, kills, storm
from tests.faults.mounts import obstacle
from tests.faults.seen import Seen
from tests.faults.subjects import Play

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

SEED = os.environ.get("STREAMFORGE_SEED") or secrets.token_hex(4)


@pytest.fixture(autouse=True)
def _needs_root() -> None:
    """The customer's database runs in a mount namespace of its own."""
    if reason := obstacle():
        pytest.skip(f"no chain with a database and a disk of its own here: {reason}")


def assert_kept(seen: list[Seen]) -> None:
    """Nothing lost that was not reported, nothing skipped, nothing doubled; and something was at stake."""
    assert [text for one in seen for text in one.breaches] == [], f"seed {SEED}: {seen}"
    assert sum(one.acknowledged for one in seen) > 0


@pytest.mark.parametrize("play", [chain_cuts.play_shipped, chain_cuts.play_on_a_cache], ids=["no cache", "cache lost"])
def test_across_a_power_cut_every_target_has_each_reading_once_or_its_loss_was_reported(play: Play) -> None:
    assert_kept(list(play(SEED, 0, 1)))


def test_kill_9_of_the_broker_under_its_supervisor_loses_and_doubles_nothing() -> None:
    """How soon the first acknowledgement comes is a busy machine's matter, too, and not judged here."""
    seen = list(kills.KILLS["kill-broker"](SEED, 0, 2))
    assert [(one.lost, one.doubled) for one in seen] == [(0, 0)] * 2, f"seed {SEED}: {seen}"
    assert seen[-1].acknowledged > 0


def test_kill_9_of_every_unit_at_moments_of_its_own_loses_and_doubles_nothing() -> None:
    assert_kept(list(storm.play(SEED, 0, 1)))


def test_while_the_broker_is_away_memory_is_bounded_and_all_arrives_on_return() -> None:
    assert_kept(list(away.play(SEED, 0, 1, away_seconds=8.0)))
