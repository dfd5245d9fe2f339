"""How a refused range is cut, and put together again as far as the refusal is explained."""

from hypothesis import given
from hypothesis import strategies as st

from streamforge.adapters.modbus_points import Point, expand
from streamforge.adapters.modbus_split import halves, together
from streamforge.adapters.register_plan import Request, request_of
from streamforge.adapters.tags import DataType, TagRow


def request(*places: str, type_: DataType | None = None) -> Request:
    points: list[Point] = [point for at in places for point in expand(TagRow(param=at, at=at, type=type_))]
    return request_of(points)


def names(*requests: Request) -> list[list[str]]:
    return [[point.parameter for point in one.points] for one in requests]


A, B, C, D = (request(f"HR{at}") for at in range(4))


def test_a_range_is_cut_in_the_middle_between_tags() -> None:
    parts = halves(request("HR0", "HR2", "HR4", "HR6", type_=DataType.FLOAT32))
    assert parts
    assert [(part.start, part.count) for part in parts] == [(0, 4), (4, 4)]


def test_what_stands_in_the_same_registers_is_never_cut() -> None:
    assert halves(request("HR5.0", "HR5.1", "HR5")) is None
    parts = halves(request("HR4", "HR5.0", "HR5.1"))
    assert parts
    assert names(*parts) == [["HR4"], ["HR5.0", "HR5.1"]]


def test_halves_that_both_work_stay_apart_for_the_cut_is_what_is_refused() -> None:
    assert together([A], [C], refused=[]) == (A, C)


def test_what_works_beside_the_bad_one_is_joined_again() -> None:
    assert names(*together([A], [B, C], refused=[C])) == [["HR0", "HR1"], ["HR2"]]
    assert names(*together([A, B], [C, D], refused=[A])) == [["HR0"], ["HR1", "HR2"], ["HR3"]]


def test_the_bad_one_is_joined_to_nothing() -> None:
    assert together([A], [B], refused=[B]) == (A, B)
    assert together([A, B], [C], refused=[B]) == (A, B, C)


@given(st.lists(st.integers(0, 500), min_size=2, max_size=40, unique=True))
def test_halves_are_all_of_it_and_nothing_twice(places: list[int]) -> None:
    whole = request(*(f"HR{at}" for at in places))
    parts = halves(whole)
    assert parts
    left, right = parts
    assert left.start + left.count <= right.start
    assert {p.parameter for p in (*left.points, *right.points)} == {p.parameter for p in whole.points}
    assert len(left.points) + len(right.points) == len(whole.points)
    assert abs(len(left.points) - len(right.points)) <= 1
