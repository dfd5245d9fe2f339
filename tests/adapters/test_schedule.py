"""The poll grid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.adapters.schedule import Grid, phases


def test_slots_stand_on_the_grid_whatever_the_polls_take() -> None:
    grid = Grid(interval_seconds=1.0, phase_seconds=0.25)
    assert [grid.next_seconds(now) for now in (10.0, 10.9, 11.4, 12.26)] == [10.25, 11.25, 12.25, 13.25]
    assert grid.overruns == 0


def test_an_overrun_skips_whole_slots_and_counts_them() -> None:
    grid = Grid(interval_seconds=1.0)
    assert grid.next_seconds(0.5) == 1.0
    assert grid.next_seconds(4.2) == 5.0
    assert grid.overruns == 3


def test_interval_zero_is_always_due() -> None:
    grid = Grid(interval_seconds=0.0)
    assert [grid.next_seconds(now) for now in (1.0, 1.0, 1.5)] == [1.0, 1.0, 1.5]


def test_devices_of_one_interval_are_spread_over_it() -> None:
    assert phases([0.1, 0.1, 0.1, 0.1]) == pytest.approx([0.0, 0.025, 0.05, 0.075])


def test_what_is_read_once_an_hour_is_read_at_the_start_too() -> None:
    assert max(phases([3600.0, 3600.0])) <= 1.0


@given(st.lists(st.floats(0.0, 3.0), max_size=30), st.floats(0.05, 2.0))
def test_a_slot_is_never_taken_twice_and_never_in_the_past(waits: list[float], interval: float) -> None:
    grid, now, last = Grid(interval_seconds=interval), 0.0, -1.0
    for wait in waits:
        slot = grid.next_seconds(now)
        assert slot > last
        assert slot >= now - 1e-6
        now, last = max(now, slot) + wait, slot
