"""kill -9 of any process of ours under load: everything comes back by itself, and nothing is lost or doubled."""

import os
import random
import secrets
import signal
import time
from contextlib import suppress

import pytest

from tests.appliance.at_random import A_DECK, deck, play_in
from tests.appliance.plant import KAFKA, UNITS, Plant

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(240)]
KILLS = 2
SEED = os.environ.get("STREAMFORGE_SEED") or secrets.token_hex(4)


def kill(plant: Plant, unit: str, *, jvm: bool = False) -> None:
    """End a process as the kernel would, and wait until systemd has started the unit anew."""
    before = plant.show(unit, "InvocationID")
    plant.signal(plant.jvm() if jvm else plant.main_process(unit), signal.SIGKILL)
    plant.wait(f"{unit} to be started anew", lambda: plant.show(unit, "InvocationID") != before)
    plant.wait(f"{unit} to be active", lambda: plant.is_active(unit))


@pytest.mark.parametrize("unit", UNITS)
def test_kill_9_of_a_unit_loses_and_doubles_nothing(plant: Plant, unit: str) -> None:
    moments = random.Random(unit)
    for _ in range(KILLS):
        time.sleep(moments.uniform(0.2, 1.5))
        kill(plant, unit)
    plant.wait_for_work()
    plant.assert_balanced()
    plant.assert_nothing_lost_or_doubled()


def test_kill_9_of_the_broker_alone_takes_its_supervisor_along_and_loses_nothing(plant: Plant) -> None:
    for _ in range(KILLS):
        kill(plant, KAFKA, jvm=True)
    plant.wait_for_work()
    plant.assert_balanced()
    plant.assert_nothing_lost_or_doubled()


def test_kill_9_of_all_at_once_loses_and_doubles_nothing(plant: Plant) -> None:
    victims = [process for unit in UNITS for process in plant.processes(unit)]
    for process in victims:
        with suppress(ProcessLookupError):  # it went with its parent
            plant.signal(process, signal.SIGKILL)
    plant.wait_for_work()
    plant.assert_balanced()
    plant.assert_nothing_lost_or_doubled()


def test_kills_and_hangs_of_everything_at_random_moments_lose_and_double_nothing(plant: Plant) -> None:
    """Half a deck; how soon a hang is noticed is a busy machine's matter, too, and not judged here."""
    seen = play_in(plant, SEED, deck(SEED, 0)[: A_DECK // 2])
    said = [text for one in seen for text in one.breaches if not text.startswith("hang")]
    assert (said, seen[-1].lost, seen[-1].doubled) == ([], 0, 0), f"seed {SEED}: {seen}"
    assert seen[-1].acknowledged > 0
