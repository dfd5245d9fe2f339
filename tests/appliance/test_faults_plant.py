"""A PLC that is unplugged, and one that does not have what it is asked for."""

import time

import pytest

from tests.appliance.plant import ADAPTER, PLANT_TOML, SIM, Plant

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(180)]
UNPLUGGED_SECONDS, RECOVERY_SECONDS = 20.0, 40.0
WARNING = 4


def warnings(plant: Plant, since: str) -> list[str]:
    """The adapter's journal lines of priority warning or worse after the cursor."""
    words = (f"--unit={ADAPTER}.service", f"--after-cursor={since}", f"--priority={WARNING}")
    return [str(entry["MESSAGE"]) for entry in plant.container.journal(*words)]


def test_an_unplugged_plc_is_one_warning_and_comes_back_by_itself(plant: Plant) -> None:
    since = plant.cursor()
    plant.shell(f"systemctl stop {SIM}")
    plant.wait("DEGRADED", lambda: plant.health(ADAPTER)["state"] == "DEGRADED")
    time.sleep(UNPLUGGED_SECONDS)  # so long that the adapter waits for longer and longer between its tries
    view = plant.status()[ADAPTER]
    assert view["state"] == "DEGRADED"
    assert "127.0.0.1:15020" in view["status"]
    assert {device["state"] for device in view["details"]["devices"]} == {"OFFLINE"}
    assert plant.is_active(ADAPTER)
    plant.assert_balanced()
    plant.shell(f"systemctl start {SIM}")
    plant.wait("recovery", lambda: plant.is_well(ADAPTER), RECOVERY_SECONDS)
    said = warnings(plant, since)
    assert len(said) == 1, said
    assert "peer_away" in said[0]
    assert len(plant.events(ADAPTER, "peer_back", since)) == 1
    plant.wait_for_work()
    plant.assert_balanced()
    plant.assert_nothing_lost_or_doubled()


def test_a_register_that_the_plc_does_not_have_is_named_and_the_others_go_on(plant: Plant) -> None:
    since = plant.cursor()
    wrong = '{ param = "level_2", at = "HR60000", type = "uint16" },'
    plant.shell("rm -rf /run/wrong && cp -rL /etc/streamforge /run/wrong")
    plant.shell(
        f"sed -i '0,/^tags = \\[/s//tags = [\\n  {wrong}/' /run/wrong/{PLANT_TOML}; streamforge apply /run/wrong"
    )
    plant.wait("DEGRADED", lambda: plant.health(ADAPTER)["state"] == "DEGRADED")
    clear = "level_2: config_error: illegal data address (exception 2)"
    plant.wait("the reason", lambda: clear in plant.status()[ADAPTER]["status"])
    device = next(one for one in plant.health(ADAPTER)["details"]["devices"] if one["key"] == "pump_station")
    assert (device["state"], device["last_error"]) == ("ONLINE", clear)
    said = plant.events(ADAPTER, "points_refused", since)
    assert [(one["device"], one["reason"]) for one in said] == [("pump_station", clear)]
    before = plant.delivered()
    plant.wait("the others", lambda: plant.delivered() > before + 300)
    plant.shell("streamforge apply /run/load")
    plant.wait_for_work()
    plant.assert_balanced()
    assert plant.assert_nothing_lost_or_doubled().rejected > 0
