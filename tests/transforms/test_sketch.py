"""A sketch is exact while small, within 1 % when large, and merges in any order and grouping to the same bytes."""

from contextlib import suppress
from math import ceil, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.transforms.sketch import EMPTY, RAW_MOST, Sketch, count_of, packed_values

VALUES = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
LISTS = st.lists(VALUES, max_size=60)


def exact(ordered: list[float], percent: int) -> float:
    return ordered[ceil(len(ordered) * percent / 100) - 1]


@given(st.lists(LISTS, min_size=1, max_size=6))
def test_quantiles_are_within_one_per_cent(groups: list[list[float]]) -> None:
    merged = Sketch.merged([packed_values(sorted(group)) for group in groups])
    again = Sketch.merged([merged.pack()])
    ordered = sorted(value for group in groups for value in group)
    assert merged.count == again.count == count_of(merged.pack()) == len(ordered)
    if ordered:
        for sketch in (merged, again):
            found = sketch.quantiles(ordered[0], ordered[-1])
            for percent, value in zip((50, 95, 99), found, strict=True):
                assert value == pytest.approx(exact(ordered, percent), rel=0.01, abs=1e-305)


@given(LISTS, LISTS, LISTS)
def test_merging_is_associative_and_commutative(a: list[float], b: list[float], c: list[float]) -> None:
    x, y, z = (packed_values(sorted(group)) for group in (a, b, c))
    together = Sketch.merged([x, y, z]).pack()
    assert Sketch.merged([Sketch.merged([x, y]).pack(), z]).pack() == together
    assert Sketch.merged([x, Sketch.merged([z, y]).pack()]).pack() == together
    assert Sketch.merged([z, y, x]).pack() == together


@given(st.lists(VALUES, max_size=RAW_MOST))
def test_few_values_are_kept_as_they_are(values: list[float]) -> None:
    assert Sketch.merged([packed_values(sorted(values))]).ordered == sorted(values)


def test_many_values_take_few_bytes() -> None:
    assert len(packed_values([50 + index / 1000 for index in range(36_000)])) < 250


def test_nothing_has_no_quantile() -> None:
    assert Sketch.merged([EMPTY, b""]).pack() == EMPTY
    assert all(map(isnan, Sketch.merged([]).quantiles(0.0, 0.0)))


@given(st.binary(max_size=60))
def test_damaged_bytes_end_in_one_error(damaged: bytes) -> None:
    for packed in (damaged, b"\1" + damaged, b"\1BB" + damaged):
        with suppress(ValueError):
            Sketch.merged([packed])
