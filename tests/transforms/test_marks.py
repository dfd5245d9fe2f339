"""Progress as headers."""

import pytest

from streamforge.progress import Partition, Position
from streamforge.transforms.marks import Mark, SideMark, read_mark, read_side_mark

MARK = Mark(
    place=Partition("telemetry.raw", 3),
    position=Position(next_offset=17, incarnation=2, topic_id="abc"),
    hold=12,
    scan=40,
    sides={"dlq.telemetry": 5, "events.raw": 9},
)


def test_a_mark_comes_back_from_its_headers() -> None:
    assert read_mark(MARK.headers()) == MARK


def test_headers_are_text_that_a_person_can_read() -> None:
    assert dict(MARK.headers())["sf-in"] == b"telemetry.raw/3/abc/2/17"


def test_a_record_of_another_writer_has_no_mark() -> None:
    assert read_mark((("trace", b"1"),)) is None
    assert read_side_mark((("trace", b"1"),)) is None


def test_a_damaged_mark_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_mark((("sf-in", b"telemetry.raw/x"), ("sf-hold", b"1"), ("sf-out", b"1")))


def test_a_side_output_names_its_writer_and_its_input() -> None:
    mark = SideMark(writer="validator/0", input_offset=8, incarnation=3)
    assert dict(mark.headers())["sf-at"] == b"3/8"
    assert read_side_mark(mark.headers()) == mark
