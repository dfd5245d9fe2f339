"""The picture of the ledger, and which services are listed."""

from dataclasses import replace

import pytest

from streamforge.gateway.reconciled import Said
from streamforge.web.pages.now import MOST_CUTS, lost, newest, shares, waiting, working
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


def cut(number: int, at_least: int | None = None, at_most: int | None = None) -> Said:
    return Said(incarnation=number, opened_at_us=number, message="", at_least=at_least, at_most=at_most)


def test_the_newest_cuts_stand_first_and_not_all_of_them() -> None:
    cuts = tuple(map(cut, range(2, 20)))
    assert [one.incarnation for one in newest(replace(WELL, cuts=cuts))] == [19, 18, 17, 16, 15]
    assert len(newest(replace(WELL, cuts=cuts[:2]))) == 2 < MOST_CUTS


def test_a_loss_is_a_count_its_bounds_or_not_counted() -> None:
    assert [lost(cut(2)), lost(cut(2, 40, 40)), lost(cut(2, 13, 1240))] == ["not counted", "40", "13 to 1,240"]
