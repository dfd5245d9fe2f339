"""A unit that crashes again and again is given up after five starts in five minutes, is shown as such, and is alone."""

import signal

import pytest

from tests.appliance.plant import SINK, UNITS, Plant

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(180)]
STARTS = 5
OTHERS = tuple(unit for unit in UNITS if unit != SINK)


def crash_until_given_up(plant: Plant) -> int:
    """Kill the sink as soon as it is active, until systemd has had enough; how often it had started."""
    kills = 0
    while plant.show(SINK, "ActiveState") != "failed":
        process = plant.main_process(SINK) if plant.is_active(SINK) else 0
        if process:
            plant.signal(process, signal.SIGKILL)
            kills += 1
            plant.wait("the kill to show", lambda: plant.show(SINK, "SubState") != "running")
    return kills


@pytest.fixture
def given_up(plant: Plant) -> Plant:
    """The appliance with its sink given up; the starts of this test alone are counted."""
    plant.shell(f"systemctl stop '{SINK}'; systemctl reset-failed; systemctl start '{SINK}'")
    assert crash_until_given_up(plant) == STARTS
    return plant


def test_five_starts_in_five_minutes_are_the_end_of_one_unit_alone(given_up: Plant) -> None:
    view = given_up.status()[SINK]
    assert view["state"] == "FAILED"
    assert "given up by systemd" in view["status"]
    assert f"FAILED     {SINK}" in given_up.status_text()
    assert {unit: given_up.show(unit, "ActiveState") for unit in OTHERS} == dict.fromkeys(OTHERS, "active")
    assert all(given_up.is_well(unit) for unit in OTHERS)
    assert "repeated too quickly" in given_up.shell(f"systemctl start '{SINK}' || journalctl -n 20 -o cat -u '{SINK}'")
    given_up.shell(f"systemctl reset-failed '{SINK}' && systemctl start '{SINK}'")
    given_up.wait_for_work()
    given_up.assert_balanced()
    given_up.assert_nothing_lost_or_doubled()


def test_apply_starts_a_unit_again_that_was_given_up(given_up: Plant) -> None:
    said = given_up.shell("rm -rf /run/same && cp -rL /etc/streamforge /run/same && streamforge apply /run/same")
    assert SINK in said
    given_up.wait_for_work()
    given_up.assert_balanced()
