"""Fixtures of the tests that break things in a booted appliance."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.appliance.plant import UNITS, Plant, under_load

# STREAMFORGE_LIVE=1: the checkout's package and units over the image's, for work on the tests themselves.
LIVE = bool(os.environ.get("STREAMFORGE_LIVE"))


@pytest.fixture(scope="module")
def booted() -> Iterator[Plant]:
    """A booted appliance under load."""
    with under_load(live=LIVE) as plant:
        yield plant


@pytest.fixture
def plant(booted: Plant) -> Iterator[Plant]:
    """The booted appliance, working, and with all its starts in five minutes still to be used."""
    booted.shell("systemctl reset-failed")
    booted.wait_for_work()
    yield booted
    assert {unit: booted.show(unit, "ActiveState") for unit in UNITS} == dict.fromkeys(UNITS, "active")
