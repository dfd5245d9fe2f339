"""Requests: few, within the protocol's limits, and no point ever split."""

from functools import cache
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.adapters.modbus_points import Point, expand
from streamforge.adapters.register_plan import Budget, automatic_gap, plan
from streamforge.adapters.registers import Table
from streamforge.adapters.tags import DataType, TagRow


def points(*places: str, type_: DataType | None = None) -> list[Point]:
    return [point for at in places for point in expand(TagRow(param=at, at=at, type=type_))]


def spans(found: list[Point], budget: Budget | None = None) -> list[tuple[Table, int, int]]:
    return [(request.table, request.start, request.count) for request in plan(found, budget)]


def test_neighbours_are_one_request_whatever_their_order() -> None:
    assert spans(points("HR2", "HR0", "HR1")) == [(Table.HOLDING_REGISTER, 0, 3)]


def test_tables_are_read_apart() -> None:
    assert [table for table, _, _ in spans(points("HR0", "IR0", "CO0", "DI0"))] == [1, 2, 3, 4]


def test_a_small_gap_is_read_along_and_a_wide_one_is_not() -> None:
    assert spans(points("HR0", "HR11"), Budget(gap_registers=10)) == [(3, 0, 12)]
    assert spans(points("HR0", "HR12"), Budget(gap_registers=10)) == [(3, 0, 1), (3, 12, 1)]
    assert spans(points("HR0", "HR2"), Budget(gap_registers=0)) == [(3, 0, 1), (3, 2, 1)]


def test_a_gap_of_bits_is_sixteen_times_as_wide() -> None:
    assert len(spans(points("CO0", "CO17"), Budget(gap_registers=1))) == 1
    assert len(spans(points("CO0", "CO18"), Budget(gap_registers=1))) == 2


def test_two_hundred_registers_are_two_requests() -> None:
    assert spans(points("HR0:200", type_=DataType.INT16)) == [(3, 0, 125), (3, 125, 75)]


def test_a_value_across_the_limit_goes_to_the_next_request() -> None:
    found = points("HR0:124", type_=DataType.INT16) + points("HR124", type_=DataType.FLOAT32)
    assert spans(found) == [(3, 0, 124), (3, 124, 2)]


def test_bits_go_two_thousand_at_a_time() -> None:
    assert [count for _, _, count in spans(points(*(f"CO{at}" for at in range(2500))))] == [2000, 500]


def test_one_register_read_in_two_ways_is_read_once() -> None:
    assert spans(points("HR5", "HR5.1", "HR5.2", "HR5.hi")) == [(3, 5, 1)]


widths = st.sampled_from([None, DataType.FLOAT32, DataType.FLOAT64])
place = st.tuples(st.sampled_from(["HR", "IR"]), st.integers(0, 60_000), widths)


@given(st.lists(place, max_size=60), st.integers(0, 40), st.integers(4, 125))
def test_every_point_is_read_once_and_whole_within_the_budget(
    places: list[tuple[str, int, DataType | None]], gap: int, most: int
) -> None:
    found = [point for table, at, type_ in places for point in points(f"{table}{at}", type_=type_)]
    budget = Budget(gap_registers=gap, most_registers=most)
    requests = plan(found, budget)
    read = [point for request in requests for point in request.points]
    assert sorted(read, key=id) == sorted(found, key=id)
    for request in requests:
        assert 1 <= request.count <= most
        assert all(request.start <= p.start and p.end <= request.start + request.count for p in request.points)
        assert all(point.table == request.table for point in request.points)
        wanted = {at for point in request.points for at in range(point.start, point.end)}
        holes = sorted(wanted)
        assert all(after - before - 1 <= gap for before, after in pairwise(holes))


def test_single_reads_are_never_read_with_others() -> None:
    found = points("HR0", "HR1", "HR2", "HR3.0", "HR3.1")
    assert spans(found, Budget(single_reads=("HR1",))) == [(3, 0, 4), (3, 1, 1)]
    assert spans(found, Budget(single_reads=("HR3*",))) == [(3, 0, 3), (3, 3, 1)]
    assert spans(found, Budget(single_reads=("*",))) == [(3, 0, 1), (3, 1, 1), (3, 2, 1), (3, 3, 1)]


CHARACTER_SECONDS = {9600: 11 / 9600, 19200: 11 / 19200, 115200: 11 / 115200}


def request_seconds(baud: int) -> float:
    """What a request costs on a serial line before its first register, with 10 ms of the device's own."""
    quiet = 3.5 * CHARACTER_SECONDS[baud] if baud <= 19200 else 0.00175
    return 13 * CHARACTER_SECONDS[baud] + 2 * quiet + 0.010


@pytest.mark.parametrize(("baud", "registers"), [(9600, 14), (115200, 77)])
def test_the_automatic_gap_is_where_reading_on_costs_as_much_as_asking_again(baud: int, registers: int) -> None:
    assert automatic_gap(request_seconds(baud), 2 * CHARACTER_SECONDS[baud]) == registers


def least(places: list[int], cost: "tuple[float, float]", gap: int, most: int) -> float:
    """The cheapest way there is to read these registers, found by trying every cut; cost of a request, of a register.

    Knows nothing of the planner: for each register, the best of all requests that could end with it.
    """

    @cache
    def best(count: int) -> float:
        found = [0.0] if count == 0 else []
        for first in range(count - 1, -1, -1):
            span = places[count - 1] - places[first] + 1
            if span > most or (first < count - 1 and places[first + 1] - places[first] - 1 > gap):
                break
            found.append(best(first) + cost[0] + cost[1] * span)
        return min(found)

    for count in range(len(places) + 1):  # from below, so that the recursion stays shallow
        best(count)
    return best(len(places))


def scattered(seed: int, addresses: int) -> list[int]:
    return sorted(Random(seed).sample(range(addresses), 500))


@pytest.mark.parametrize("addresses", [1000, 3000, 10_000, 60_000])
@pytest.mark.parametrize("seed", range(3))
def test_five_hundred_scattered_points_take_the_fewest_requests_that_there_are(seed: int, addresses: int) -> None:
    places = scattered(seed, addresses)
    for gap, most in ((0, 125), (16, 125), (125, 125), (16, 40)):
        requests = plan(points(*(f"HR{at}" for at in places)), Budget(gap_registers=gap, most_registers=most))
        assert len(requests) == least(places, (1.0, 0.0), gap, most)


@pytest.mark.parametrize("baud", [9600, 19200, 115200])
@pytest.mark.parametrize("addresses", [1000, 3000, 10_000, 60_000])
def test_on_a_serial_line_they_take_nearly_the_least_time(baud: int, addresses: int) -> None:
    places = scattered(baud, addresses)
    cost = request_seconds(baud), 2 * CHARACTER_SECONDS[baud]
    requests = plan(points(*(f"HR{at}" for at in places)), Budget(gap_registers=automatic_gap(*cost)))
    seconds = sum(cost[0] + cost[1] * request.count for request in requests)
    assert seconds <= 1.3 * least(places, cost, 65536, 125)
