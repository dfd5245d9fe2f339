"""The picture of the ledger, and which services are listed."""

from dataclasses import replace
from datetime import UTC
from types import SimpleNamespace
from typing import Any

import pytest

from streamforge.gateway.reconciled import Said
from streamforge.web.last_values import LastValues
from streamforge.web.pages.now import MOST_CUTS, backlog, blocks, lost, newest, shares, waiting, working
from streamforge.web.snapshot import Ledger, Sink, SinkLedger, Unit, UnitState
from streamforge.web.verdict import judge
from streamforge.web.view import View, render
from tests.web.test_diagnosis import WELL


def out(**figures: Any) -> SinkLedger:
    """The ledger of one way out; what is not said is 0."""
    return SinkLedger(
        **{"name": "file/x", "read": 0, "delivered": 0, "waiting": 0, "rejected": 0, "evicted": 0, **figures}
    )


@pytest.mark.parametrize(
    "figures",
    [(971, 28, 1, 0), (0, 0, 0, 5), (1_000_000, 1, 1, 1), (0, 10, 0, 0), (333, 333, 333, 1), (0, 0, 0, 0)],
)
def test_the_bar_is_full_and_every_part_that_is_not_nothing_is_seen(figures: tuple[int, int, int, int]) -> None:
    delivered, undelivered, rejected, evicted = figures
    read = max(1, sum(figures))
    parts = shares(out(read=read, delivered=delivered, waiting=undelivered, rejected=rejected, evicted=evicted))
    at = 0
    for (_, x, width, _), figure in zip(parts, figures, strict=True):
        assert x == at
        assert width >= (3 if figure else 0)
        at += width
    assert at == 1000


def test_nothing_read_is_no_bar() -> None:
    assert shares(out()) == []


def test_the_ill_services_stand_first_and_what_had_one_job_only_when_it_failed() -> None:
    done = Unit(name="streamforge-topics", state=UnitState.HEALTHY)
    well = Unit(name="streamforge-web", state=UnitState.HEALTHY)
    ill = Unit(name="streamforge-sink-file@export", state=UnitState.DEGRADED)
    failed = Unit(name="streamforge-instances", state=UnitState.FAILED)
    assert working([done, well, ill, failed]) == [ill, failed, well]


@pytest.mark.parametrize(
    ("kafka", "expected"),
    [
        (UnitState.HEALTHY, (12, "record")),
        (UnitState.STOPPED, (None, "record")),
        (UnitState.STARTING, (None, "record")),
    ],
)
def test_what_waits_is_not_known_while_the_log_is_away(kafka: UnitState, expected: tuple[int | None, str]) -> None:
    sinks = tuple(
        Sink(unit=f"u{lag}", target="file", instance="x", state=UnitState.HEALTHY, lag_records=lag) for lag in (5, 7)
    )
    assert waiting(replace(WELL, units=(Unit(name="kafka", state=kafka),), sinks=sinks)) == expected


def test_for_a_way_out_that_does_not_run_readings_wait_as_the_ledger_counts_them() -> None:
    stopped = out(name="file/x", read=1988, waiting=1988, note="does not run: delivered as it noted last")
    runs = out(name="postgres/x", read=1988, delivered=1980, waiting=8)
    sinks = (Sink(unit="u", target="postgres", instance="x", state=UnitState.HEALTHY, lag_records=1),)
    snapshot = replace(WELL, sinks=sinks, ledger=Ledger(taken_us=1, sinks=(stopped, runs)))
    assert waiting(snapshot) == (1996, "reading")


def cut(number: int, at_least: int | None = None, at_most: int | None = None) -> Said:
    return Said(incarnation=number, opened_at_us=number, message="", at_least=at_least, at_most=at_most)


def test_the_newest_cuts_stand_first_and_not_all_of_them() -> None:
    cuts = tuple(map(cut, range(2, 20)))
    assert [one.incarnation for one in newest(replace(WELL, cuts=cuts))] == [19, 18, 17, 16, 15]
    assert len(newest(replace(WELL, cuts=cuts[:2]))) == 2 < MOST_CUTS


def test_a_loss_is_a_count_its_bounds_or_not_counted() -> None:
    assert [lost(cut(2)), lost(cut(2, 40, 40)), lost(cut(2, 13, 1240))] == ["not counted", "40", "13 to 1,240"]


def test_the_backlog_is_seen_growing_and_draining() -> None:
    assert backlog(out()) == "nothing waits"
    assert backlog(out(waiting=1200)) == "1,200 wait"
    assert backlog(out(waiting=1200, growth_per_second=400.0)) == "1,200 wait, growing by 400 a second"
    drains = backlog(out(waiting=1200, growth_per_second=-100.0))
    assert drains == "1,200 wait, draining by 100 a second: done in 12 s"
    assert backlog(out(waiting=1200, growth_per_second=0.1)) == "1,200 wait"


def shown(*sinks: SinkLedger) -> str:
    """The ledger's part of the page."""
    snapshot = replace(WELL, ledger=Ledger(taken_us=1, sinks=sinks))
    verdict = judge(snapshot, zone=UTC, rate=0.0)
    return blocks(View(snapshot=snapshot, verdict=verdict, values=LastValues(), rate=0.0, zone=UTC))["ledger"]


def test_every_way_out_has_its_own_balance_and_what_does_not_add_up_is_marked() -> None:
    even = out(name="file/export", read=10, delivered=8, rejected=2)
    uneven = out(name="postgres/plant", read=10, delivered=7, missing=3)
    page = shown(even, uneven)
    assert page.index("file/export") < page.index("postgres/plant")
    assert page.count("Does not balance") == 1
    assert "3 readings are not accounted for" in page
    assert "Does not balance" not in shown(even)


def test_what_is_not_of_now_is_said() -> None:
    note = "does not run: delivered as it noted last"
    assert f"file/x {note}." in shown(out(read=5, note=note))


def test_a_ledger_that_adds_up_says_so_and_one_that_was_not_counted_does_not() -> None:
    adds_up = "Adds up: every reading is accounted for."
    assert adds_up in shown(out(read=10, delivered=7, waiting=3))
    assert adds_up not in shown(out(read=10, delivered=7, waiting=2))
    assert adds_up not in shown(out(read=10, delivered=7, waiting=3, is_judged=False))


def test_nothing_counted_yet_is_said_in_words() -> None:
    assert "Nothing counted yet" in shown()


def test_the_page_lists_cuts_and_what_is_kept_aside_and_nothing_where_there_was_none() -> None:
    view = SimpleNamespace(clock=lambda _: "03:14:15")
    shown = render("now_losses", view=view, said=[cut(2, 13, 1240)], aside=("aside/1, 12 MiB: damaged",), lost=lost)
    assert "13 to 1,240" in shown
    assert "03:14:15" in shown
    assert "aside/1, 12 MiB: damaged" in shown
    assert render("now_losses", view=view, said=[], aside=(), lost=lost) == ""
