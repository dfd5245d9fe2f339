"""Batches follow each other, or one of their base offsets is not what it was."""

import pytest

from streamforge.codec.batch_order import follow, heads_of
from tests.codec import segment_maker as maker

MADE = maker.segment(10, [2, 3, 1])


def damaged(batch: int, byte: int, bit: int) -> bytes:
    """The segment with a bit of a batch's header flipped."""
    data = bytearray(MADE.data)
    data[MADE.batches[batch][0] + byte] ^= 1 << bit
    return bytes(data)


def test_heads_lead_from_batch_to_batch_as_far_as_the_bytes_go() -> None:
    assert [(head.base_offset, head.next_offset, head.magic) for head in heads_of(MADE.data)] == [
        (10, 12, 2),
        (12, 15, 2),
        (15, 16, 2),
    ]
    assert len(list(heads_of(MADE.data[:-1]))) == 2
    assert list(heads_of(b"")) == []


@pytest.mark.parametrize("offset", [10, 11])
def test_an_answer_begins_with_the_batch_that_holds_the_offset(offset: int) -> None:
    assert follow(MADE.data, offset, is_boundary=False) == (True, 16)


def test_where_a_batch_is_known_to_begin_it_must_begin() -> None:
    assert follow(MADE.data, 10, is_boundary=True) == (True, 16)
    assert not follow(MADE.data, 11, is_boundary=True)[0]


def test_an_answer_from_another_offset_is_none() -> None:
    assert not follow(MADE.data, 9, is_boundary=False)[0]
    assert not follow(MADE.data[: MADE.batches[0][1]], 12, is_boundary=False)[0]


@pytest.mark.parametrize("batch", [0, 1, 2])
@pytest.mark.parametrize("bit", range(8))
def test_a_damaged_base_offset_is_noticed_where_it_has_a_neighbour(batch: int, bit: int) -> None:
    assert not follow(damaged(batch, 7, bit), 10, is_boundary=True)[0]


def test_another_format_is_none_of_ours() -> None:
    assert not follow(damaged(1, 16, 0), 10, is_boundary=False)[0]


def test_a_length_that_leads_nowhere_ends_the_heads_and_is_left_to_the_client() -> None:
    assert follow(damaged(1, 8, 6), 10, is_boundary=False) == (True, 12)
