"""Data out: what it says of a way out that does not run."""

from dataclasses import replace
from datetime import UTC

from streamforge.web.last_values import LastValues
from streamforge.web.pages.data_out import blocks
from streamforge.web.snapshot import Snapshot, Unit, UnitState
from streamforge.web.verdict import judge
from streamforge.web.view import View
from tests.web.test_diagnosis import FILE, WELL


def shown(snapshot: Snapshot) -> str:
    """The ways out on the page."""
    verdict = judge(snapshot, zone=UTC, rate=0.0)
    return blocks(View(snapshot=snapshot, verdict=verdict, values=LastValues(), rate=0.0, zone=UTC))["sinks"]


def test_a_way_out_that_does_not_run_is_named_with_what_becomes_of_its_data() -> None:
    page = shown(replace(WELL, sinks=(), units=(Unit(name=FILE.unit, state=UnitState.STOPPED),)))
    assert "file/export" in page
    assert "It does not run. Everything stays in the log until it is delivered." in page
    assert "No way out is configured" not in page


def test_one_that_speaks_is_not_named_twice() -> None:
    page = shown(replace(WELL, units=(Unit(name=FILE.unit, state=UnitState.UNHEALTHY),)))
    assert page.count("<h2>file/export</h2>") == 1


def test_without_any_the_page_says_how_to_configure_one() -> None:
    assert "No way out is configured" in shown(replace(WELL, sinks=(), units=()))
