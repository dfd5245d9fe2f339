"""Fixtures of the tests that break things in a booted appliance."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.appliance.container import REPOSITORY, Container
from tests.appliance.demo import wait_for_flow
from tests.appliance.plant import ADAPTER, PLANT_TOML, UNITS, Plant

# STREAMFORGE_LIVE=1: the checkout's package and units over the image's, for work on the tests themselves.
LIVE = bool(os.environ.get("STREAMFORGE_LIVE"))
LOAD_INTERVAL_MS = 100


@pytest.fixture(scope="module")
def booted() -> Iterator[Plant]:
    """A booted appliance whose adapter reads the simulated plant ten times as often as in the demo."""
    with Container(live=LIVE) as container:
        wait_for_flow(container)
        plant = Plant(container)
        if LIVE:
            shutil.copytree(REPOSITORY / "units", plant.root / "run/systemd/system", dirs_exist_ok=True)
            plant.shell("systemctl daemon-reload")
        edit = f"s/^poll_interval_ms = .*/poll_interval_ms = {LOAD_INTERVAL_MS}/"
        plant.shell(f"cp -rL /etc/streamforge /run/load && sed -i '{edit}' /run/load/{PLANT_TOML}")
        plant.shell("streamforge apply /run/load")
        plant.wait("the adapter", lambda: plant.is_well(ADAPTER))
        yield plant


@pytest.fixture
def plant(booted: Plant) -> Iterator[Plant]:
    """The booted appliance, working, and with all its starts in five minutes still to be used."""
    booted.shell("systemctl reset-failed")
    booted.wait_for_work()
    yield booted
    assert {unit: booted.show(unit, "ActiveState") for unit in UNITS} == dict.fromkeys(UNITS, "active")
