"""What a killed process had on the log is not taken a second time."""

from dataclasses import replace

import pytest

from streamforge.adapters.base import Batch
from streamforge.adapters.repeats import MOST_BATCHES, SECONDS, Repeats
from streamforge.model import ReadingBatch, Source, names

NAMES = names(("flow", "state"), ("m3/h", ""), b"\x00\x03")
STANDING = ReadingBatch(
    source=Source(asset_id="pump", adapter_id="a"),
    epoch=1,
    seq=1,
    count_before=0,
    gateway_time_us=9,
    names=NAMES,
    values=(1.5, float("nan")),
    others={1: "run"},
    device_times_us=(5,),
)
SAME = Batch(asset_id="pump", names=NAMES, values=(1.5, float("nan")), others={1: "run"}, device_times_us=(5,))


def repeats() -> Repeats:
    made = Repeats()
    made.saw(STANDING)
    made.met()
    return made


def test_a_batch_that_stands_there_is_nothing_new() -> None:
    made = repeats()
    assert made.without(SAME, 0.0) is None
    assert made.count == 2


def test_of_a_batch_that_is_partly_there_the_rest_is_new() -> None:
    made = repeats()
    new = made.without(replace(SAME, others={1: "stop"}), 0.0)
    assert new is not None
    assert (new.names.parameters, new.others, list(new.device_times_us)) == (("state",), {0: "stop"}, [5])


def test_another_time_another_asset_or_none_is_new() -> None:
    made = repeats()
    for other in (
        replace(SAME, device_times_us=(6,)),
        replace(SAME, asset_id="mill"),
        replace(SAME, device_times_us=()),
    ):
        assert made.without(other, 0.0) is other


def test_times_may_be_one_each() -> None:
    new = repeats().without(replace(SAME, device_times_us=(5, 6)), 0.0)
    assert new is not None
    assert (new.names.parameters, list(new.device_times_us)) == (("state",), [6])


def test_after_a_while_everything_is_new() -> None:
    made = repeats()
    other = replace(SAME, asset_id="mill")
    assert made.without(other, 100.0) is other, "the time begins with what comes first"
    assert made.without(SAME, 101.0 + SECONDS) is SAME


def test_what_is_remembered_is_bounded_and_the_newest_whatever_the_order_in_which_it_was_seen() -> None:
    made, numbers = Repeats(), list(range(1, 3 * MOST_BATCHES + 1))
    newest, oldest = numbers[MOST_BATCHES:], numbers[:MOST_BATCHES]
    for number in (*newest, *oldest):
        made.saw(replace(STANDING, seq=number, device_times_us=(number,)))
    made.met()
    assert made.without(replace(SAME, device_times_us=(numbers[-1],)), 0.0) is None
    assert made.without(replace(SAME, device_times_us=(numbers[-MOST_BATCHES],)), 0.0) is None
    assert made.without(replace(SAME, device_times_us=(numbers[-MOST_BATCHES] - 1,)), 0.0) is not None


def test_of_wide_records_the_newest_readings_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamforge.adapters.repeats.MOST_READINGS", 10)
    made = Repeats()
    for number in range(1, 100):
        made.saw(replace(STANDING, seq=number, device_times_us=(number,)))
    made.met()
    assert made.without(replace(SAME, device_times_us=(99,)), 0.0) is None
    assert made.without(replace(SAME, device_times_us=(1,)), 0.0) is not None


def test_what_was_taken_before_a_connection_was_lost_may_come_again() -> None:
    made = Repeats()
    made.took(SAME)
    assert made.without(SAME, 0.0) is SAME, "while it stands, what comes is new"
    made.lost()
    assert made.without(SAME, 1.0) is None
    made.lost()
    assert made.without(SAME, 2.0) is None, "and once more"


def test_when_it_is_lost_again_soon_the_newest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamforge.adapters.repeats.MOST_READINGS", 10)
    made = Repeats()
    for last in (100, 200):
        for number in range(last - 20, last):
            made.took(replace(SAME, device_times_us=(number,)))
        made.lost()
        assert made.without(replace(SAME, device_times_us=(last - 1,)), 0.0) is None
