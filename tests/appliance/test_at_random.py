"""Faults at random in the appliance: what a deck holds, and what a witness and the judge can say against the log."""

import signal
from collections import Counter

from tests.appliance.at_random import A_DECK, UNITS, VICTIMS, deck, unkept
from tests.appliance.witness import Statement, compare
from tests.chain.checker import Found

BATCHES = {("line", 1, 1): 3, ("line", 1, 2): 2, ("line", 2, 1): 4}
STARTS = 5


def on_the_log(*gone: tuple[str, int, int]) -> Found:
    """Raw as it holds the batches, without those that are gone."""
    held = {key: readings for key, readings in BATCHES.items() if key not in gone}
    return Found(times=Counter(held.keys()), readings=held)


def test_a_seed_repeats_a_deck_and_another_gives_another() -> None:
    assert deck("s", 3) == deck("s", 3)
    assert deck("s", 3) != deck("t", 3)
    assert deck("s", 3) != deck("s", 4)


def test_a_deck_kills_every_victim_once_stops_what_has_a_watchdog_and_numbers_go_on() -> None:
    faults = [*deck("s", 0), *deck("s", 1)]
    assert [fault.number for fault in faults] == list(range(2 * A_DECK))
    killed = Counter(fault.victim.name for fault in faults if fault.signal == signal.SIGKILL)
    stopped = Counter(fault.victim.name for fault in faults if fault.signal == signal.SIGSTOP)
    assert killed == {victim.name: 2 for victim in VICTIMS}
    assert stopped == {victim.name: 2 for victim in VICTIMS if not victim.is_oneshot}


def test_a_deck_alone_never_uses_up_the_starts_of_a_unit() -> None:
    ended = Counter(fault.victim.unit for fault in deck("s", 0))
    assert max(ended.values()) < STARTS
    assert ended.keys() == set(UNITS)


def test_hangs_shorter_and_longer_than_the_watchdog_are_drawn() -> None:
    hangs = [one.hang_seconds for number in range(5) for one in deck("s", number) if one.signal == signal.SIGSTOP]
    assert None in hangs
    assert 1.0 <= min(span for span in hangs if span is not None) < 2.0


def test_what_stands_as_it_was_seen_is_kept() -> None:
    told = compare(BATCHES, on_the_log(), Counter({("line", 1): 5, ("line", 2): 4}))
    assert told == Statement(seen=9, gone=0, unfounded=0)
    assert unkept(told) == []


def test_a_batch_that_was_seen_and_is_gone_is_said() -> None:
    told = compare(BATCHES, on_the_log(("line", 1, 2)), Counter())
    assert (told.gone, told.unfounded) == (2, 0)
    assert unkept(told) == ["I1: 2 readings that stood on the log are gone"]


def test_readings_that_the_adapter_was_told_of_and_that_nobody_saw_are_said() -> None:
    told = compare(BATCHES, on_the_log(), Counter({("line", 1): 7, ("line", 2): 4}))
    assert unkept(told) == ["I1: 2 readings that the adapter was told of are not there"]


def test_a_witness_who_saw_nothing_proves_nothing() -> None:
    assert unkept(Statement(seen=0, gone=0, unfounded=0)) == ["the witness saw no reading"]
