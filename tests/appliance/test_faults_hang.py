"""A process that hangs (SIGSTOP): its watchdog ends it, and it comes back; nothing is lost or doubled."""

import signal

import pytest

from tests.appliance.plant import KAFKA, UNITS, Plant

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(240)]
WATCHDOG_SECONDS = 45.0
CLIENTS = tuple(unit for unit in UNITS if unit != KAFKA)


def wait_for_the_watchdog(plant: Plant, before: dict[str, str]) -> None:
    """Wait until every unit was ended by its watchdog and started anew."""
    for unit, invocation in before.items():
        plant.wait(f"{unit}'s watchdog", lambda: plant.show(unit, "InvocationID") != invocation, WATCHDOG_SECONDS)  # noqa: B023
    for unit in before:
        lines = plant.container.journal(f"--unit={unit}.service", "--grep=Watchdog timeout", "--case-sensitive=yes")
        assert len(lines) == 1, f"{unit}: {lines}"


def test_hanging_units_are_ended_by_their_watchdogs_and_come_back(plant: Plant) -> None:
    before = {unit: plant.show(unit, "InvocationID") for unit in CLIENTS}
    for unit in CLIENTS:
        plant.signal(plant.main_process(unit), signal.SIGSTOP)
    wait_for_the_watchdog(plant, before)
    plant.wait_for_work()
    plant.assert_balanced()
    plant.assert_nothing_lost_or_doubled()


@pytest.mark.parametrize("process", ["supervisor", "jvm"])
def test_a_hanging_broker_is_ended_by_its_watchdog_and_comes_back(plant: Plant, process: str) -> None:
    before = {KAFKA: plant.show(KAFKA, "InvocationID")}
    since = plant.cursor()
    plant.signal(plant.jvm() if process == "jvm" else plant.main_process(KAFKA), signal.SIGSTOP)
    plant.wait("kafka's watchdog", lambda: plant.show(KAFKA, "InvocationID") != before[KAFKA], WATCHDOG_SECONDS)
    assert plant.container.journal("--unit=kafka.service", f"--after-cursor={since}", "--grep=Watchdog timeout")
    plant.wait_for_work()
    plant.assert_balanced()
    plant.assert_nothing_lost_or_doubled()
