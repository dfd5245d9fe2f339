"""What a position of an earlier incarnation of the log still means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.incarnations import MOST_KEPT, Incarnations
from streamforge.progress import Partition, Position

RAW, CLEAN = Partition("telemetry.raw"), Partition("telemetry.clean")


def after_cuts(*ends: int, place: Partition = RAW) -> Incarnations:
    """A log that was cut at these offsets, one after the other."""
    found = Incarnations()
    for end in ends:
        found = found.opening(opened_at_us=1, reason="power cut", firsts={place: end})
    return found


def test_without_a_cut_a_position_is_what_it_was() -> None:
    position = Position(next_offset=7)
    assert Incarnations().clamp(RAW, position) == position


def test_beyond_the_cut_it_goes_back_to_it_and_names_the_new_incarnation() -> None:
    assert after_cuts(100).clamp(RAW, Position(next_offset=120)) == Position(next_offset=100, incarnation=2)
    assert after_cuts(100).clamp(RAW, Position(next_offset=90)) == Position(next_offset=90, incarnation=2)


def test_what_was_given_out_anew_counts() -> None:
    position = Position(next_offset=120, incarnation=2)
    assert after_cuts(100).clamp(RAW, position) == position


def test_a_later_deeper_cut_bounds_the_earlier_ones() -> None:
    log = after_cuts(100, 90, 300)
    assert log.clamp(RAW, Position(next_offset=95, incarnation=1)).next_offset == 90
    assert log.clamp(RAW, Position(next_offset=310, incarnation=3)).next_offset == 300
    assert log.clamp(RAW, Position(next_offset=250, incarnation=3)).next_offset == 250


def test_in_another_log_every_partition_begins_at_the_start() -> None:
    log = after_cuts(100).opening(opened_at_us=5, reason="another log")
    assert log.clamp(CLEAN, Position(next_offset=500, incarnation=2)) == Position(next_offset=0, incarnation=3)


def test_a_partition_that_lost_nothing_keeps_its_positions() -> None:
    assert after_cuts(100).clamp(CLEAN, Position(next_offset=500)).next_offset == 500


@pytest.mark.parametrize("number", [0, 3, 77])
def test_a_number_that_nobody_knows_goes_back_to_the_start(number: int) -> None:
    assert after_cuts(100).clamp(RAW, Position(next_offset=5, incarnation=number)).next_offset == 0


def test_the_list_is_bounded_and_what_it_forgot_is_read_again() -> None:
    log = after_cuts(*range(100, 100 + MOST_KEPT + 10))
    assert len(log.opened) == MOST_KEPT
    assert log.current == MOST_KEPT + 11
    assert log.clamp(RAW, Position(next_offset=500, incarnation=1)).next_offset == 0
    assert log.clamp(RAW, Position(next_offset=500, incarnation=11)).next_offset == 110


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(1, 8), st.integers(0, 60))
def test_a_clamped_position_is_never_beyond_what_outlived_every_later_cut(
    cuts: list[int], number: int, offset: int
) -> None:
    log = after_cuts(*cuts)
    clamped = log.clamp(RAW, Position(next_offset=offset, incarnation=number))
    later = cuts[number - 1 :]
    assert clamped.incarnation == log.current
    assert clamped.next_offset <= offset
    assert all(clamped.next_offset <= cut for cut in later)
    assert log.clamp(RAW, clamped) == clamped


def test_it_is_kept_as_one_line() -> None:
    log = after_cuts(100, 90).opening(opened_at_us=5, reason="another log")
    assert "\n" not in log.to_json()
    assert Incarnations.from_json(log.to_json()) == log


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"opened":[{}]}', '{"opened":3}', '{"opened":[{"number":"x"}]}'])
def test_a_damaged_list_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Incarnations.from_json(text)
