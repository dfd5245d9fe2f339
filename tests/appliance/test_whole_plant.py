"""The whole plant in the booted appliance: six adapters at once, what is wrong at each, and the plant's own faults."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.appliance import demo
from tests.appliance.conftest import LIVE
from tests.appliance.container import REPOSITORY, Container
from tests.appliance.plant import Plant
from tests.appliance.test_demo import DEMO
from tests.appliance.whole_plant import ADAPTERS, unit
from tests.web import peers

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(240)]
# One mistake in the configuration of each of four adapters; what it breaks, and what a person reads of it.
EDITS = {
    "modbus-rtu": ("adapters/modbus-rtu/hall.toml", "s/^unit_id = 3/unit_id = 9/"),
    "xbee": ("adapters/xbee/wells.toml", "0,/40001/s//4000l/"),
    "mqtt": ("adapters/mqtt/hall.toml", "s/^username = .*/username = \"stranger\"/"),
    "opcua": ("adapters/opcua/chiller.toml", "s/^poll_interval_ms.*//"),
}  # fmt: skip
SAID = {
    "modbus-rtu": "2 of 3 devices answer",
    "xbee": "devices[0].tags[0].at: address '4000l' is not understood",
    "mqtt": "refused: ",
    "opcua": "is not trusted: streamforge opcua trust shows it",
}
TRUSTED = "/var/lib/streamforge/state/streamforge-adapter-opcua@chiller/pki/trusted"


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    with Container(is_whole=True, live=LIVE) as container:
        demo.wait_for_flow(container)
        yield Plant(container)


@pytest.fixture(scope="module")
def page(plant: Plant) -> peers.Browser:
    browser = peers.Browser(443, plant.container.address)
    fields = {"user": "admin", "password": demo.first_password(plant.container)}
    origin = f"https://{plant.container.address}"  # as browsers write it, without the port that goes without saying
    assert browser.post("/login", fields, Origin=origin).status == 303
    return browser


def are_well(plant: Plant) -> bool:
    return all(plant.is_well(unit(kind)) for kind in ADAPTERS)


def adapters_that_read(plant: Plant) -> set[str]:
    return {row["adapter_id"] for row in plant.ledger()["rows"] if row["read"]}


def test_six_adapters_read_and_the_ledger_balances(plant: Plant, page: peers.Browser) -> None:
    plant.wait("six adapters", lambda: are_well(plant))
    plant.wait(
        "readings of all", lambda: len({row["adapter_id"] for row in plant.ledger()["rows"] if row["read"]}) == 6
    )
    plant.assert_balanced()
    shown = page.get("/devices").text
    for asset in ("meter_2", "chiller", "cold_room_1", "mixer", "well_house", "tank_2", "boiler"):
        assert asset in shown


def test_a_broken_tag_device_certificate_and_password_each_say_so_on_page_and_terminal(
    plant: Plant, page: peers.Browser
) -> None:
    plant.shell("cp -rL /etc/streamforge /run/right && cp -r /run/right /run/wrong")
    for file, edit in EDITS.values():
        plant.shell(f"sed -i '{edit}' /run/wrong/{file}")
    said = plant.shell("streamforge apply /run/wrong", code=None)
    assert SAID["xbee"] in said  # refused as a whole: the line that is wrong, before anything changes
    plant.shell(f"sed -i s/4000l/40001/ /run/wrong/{EDITS['xbee'][0]} && streamforge apply /run/wrong", code=None)
    plant.shell(f"mv {TRUSTED} /run/trusted && systemctl restart '{unit('opcua')}'")
    for kind in ("modbus-rtu", "mqtt", "opcua"):
        plant.wait(f"{kind} to say it", lambda kind=kind: SAID[kind] in plant.status()[unit(kind)]["status"])  # type: ignore[misc]
        assert SAID[kind] in plant.status_text()
    shown = page.get("/").text
    assert "meter_3" in shown
    assert SAID["mqtt"] in shown
    assert "is not trusted" in shown
    plant.shell(f"mv /run/trusted/* {TRUSTED}/ && streamforge apply /run/right")
    plant.wait("six adapters", lambda: are_well(plant))
    plant.assert_balanced()


def test_a_plant_with_faults_is_read_and_balances() -> None:
    command = [*DEMO, "--check", "--faults", "--minutes", "0.7"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=200, check=False)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert figures["balanced"] is True
    assert figures["adapters"] == len(ADAPTERS)
