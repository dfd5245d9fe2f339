"""The picture of the ledger, and which services are listed."""

from dataclasses import replace

import pytest

from streamforge.web.pages.now import shares, waiting, working
from streamforge.web.snapshot import Ledger, Sink, Unit, UnitState
from tests.web.test_diagnosis import WELL


@pytest.mark.parametrize(
    "figures",
    [(971, 28, 1, 0), (0, 0, 0, 5), (1_000_000, 1, 1, 1), (0, 10, 0, 0), (333, 333, 333, 1), (0, 0, 0, 0)],
)
def test_the_bar_is_full_and_every_part_that_is_not_nothing_is_seen(figures: tuple[int, int, int, int]) -> None:
    delivered, undelivered, rejected, evicted = figures
    read = max(1, sum(figures))
    ledger = Ledger(taken_us=1, read=read, delivered=delivered, waiting=undelivered, rejected=rejected, evicted=evicted)
    parts = shares(ledger)
    at = 0
    for (_, x, width, _), figure in zip(parts, figures, strict=True):
        assert x == at
        assert width >= (3 if figure else 0)
        at += width
    assert at == 1000


def test_nothing_read_is_no_bar() -> None:
    assert shares(None) == []
    assert shares(Ledger(taken_us=1, read=0, delivered=0, waiting=0, rejected=0, evicted=0)) == []


def test_the_ill_services_stand_first_and_what_had_one_job_only_when_it_failed() -> None:
    done = Unit(name="streamforge-topics", state=UnitState.HEALTHY)
    well = Unit(name="streamforge-web", state=UnitState.HEALTHY)
    ill = Unit(name="streamforge-sink-file@export", state=UnitState.DEGRADED)
    failed = Unit(name="streamforge-instances", state=UnitState.FAILED)
    assert working([done, well, ill, failed]) == [ill, failed, well]


@pytest.mark.parametrize(
    ("kafka", "expected"),
    [(UnitState.HEALTHY, 12), (UnitState.STOPPED, None), (UnitState.STARTING, None)],
)
def test_what_waits_is_not_known_while_the_log_is_away(kafka: UnitState, expected: int | None) -> None:
    sinks = tuple(
        Sink(unit=f"u{lag}", target="file", instance="x", state=UnitState.HEALTHY, lag_records=lag) for lag in (5, 7)
    )
    assert waiting(replace(WELL, units=(Unit(name="kafka", state=kafka),), sinks=sinks)) == expected
