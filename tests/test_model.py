"""The language: batches as columns, readings as people see them."""

import pytest

from streamforge.model import Kind, Quality, names, readings
from tests.samples import NAMES, batch


def test_equal_columns_are_one_object() -> None:
    assert names(NAMES.parameters, NAMES.units, NAMES.kinds) is NAMES


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 parameters, 1 units, 2 kinds"):
        names(("a", "b"), ("bar",), b"\0\0")


def test_a_value_comes_in_its_own_kind() -> None:
    assert [batch().value(index) for index in range(3)] == [1.5, True, "A-100"]


def test_an_unsigned_long_beyond_a_signed_one_is_whole() -> None:
    from dataclasses import replace

    big = replace(
        batch(values=(float("nan"),)), names=names(("n",), ("",), bytes([Kind.ULONG])), others={0: str(2**64 - 1)}
    )
    assert big.value(0) == 2**64 - 1


def test_the_single_form_has_a_row_a_reading() -> None:
    rows = readings(batch(), kafka_time_us=9)
    assert [(row.parameter, row.value, row.unit, row.quality) for row in rows] == [
        ("pressure", 1.5, "bar", Quality.GOOD),
        ("running", True, "", Quality.GOOD),
        ("serial", "A-100", "", Quality.GOOD),
    ]
    assert rows[0].clock_skew_ms == 1
    assert rows[0].kafka_time_us == 9
