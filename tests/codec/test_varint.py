"""Avro's integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.codec import varint


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_long_comes_back(number: int) -> None:
    data = varint.write(number)
    assert varint.read(data, 0) == (number, len(data))
    assert len(data) <= varint.MOST_BYTES


@pytest.mark.parametrize(
    ("number", "data"), [(0, b"\0"), (-1, b"\x01"), (1, b"\x02"), (-64, b"\x7f"), (64, b"\x80\x01")]
)
def test_the_examples_of_the_avro_specification(number: int, data: bytes) -> None:
    assert varint.write(number) == data


def test_a_number_that_never_ends_is_an_error() -> None:
    with pytest.raises(ValueError, match="no integer ends"):
        varint.read(b"\xff" * 20, 0)
