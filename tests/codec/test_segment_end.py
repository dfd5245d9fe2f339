"""The last batches of a segment: every bit of the fields that no checksum covers, told by what stands around them."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from streamforge.codec.log_batches import Header
from streamforge.codec.segment_end import SegmentEnd, read_end
from tests.codec.segment_maker import Made, batch, segment, write

COUNTS = (3, 1, 4, 1, 5)
MADE = segment(100, COUNTS)
END = 100 + sum(COUNTS)
UNCOVERED_BITS = [bit for byte in (*range(12), 16) for bit in range(byte * 8, byte * 8 + 8)]


def index(path: Path, made: Made, *numbers: int, room: int = 4) -> None:
    """The index of a broker that runs: an entry for these batches, zeros where there is room for more."""
    base = made.batches[0][2]
    entries = [(offset + count - 1 - base, start) for start, _, offset, count in (made.batches[n] for n in numbers)]
    content = b"".join(struct.pack(">ii", *entry) for entry in entries)
    path.with_suffix(".index").write_bytes(content + bytes(8 * room))


def said(end: SegmentEnd) -> list[Header]:
    return [one.said for one in end.batches if one.said != one.right]


def flipped(data: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[at + bit // 8] ^= 128 >> bit % 8
    return bytes(changed)


def test_a_sound_segment_is_told_from_its_start_without_an_index(tmp_path: Path) -> None:
    end = read_end(write(tmp_path, 100, MADE.data))
    assert [(one.position, one.end, one.base_offset) for one in end.batches] == [
        (start, stop, offset) for start, stop, offset, _ in MADE.batches
    ]
    assert not said(end)
    assert (end.next_offset, end.whole_bytes, end.size_bytes) == (END, len(MADE.data), len(MADE.data))


def test_it_is_read_from_the_last_entry_of_the_index_on(tmp_path: Path) -> None:
    path = write(tmp_path, 100, MADE.data)
    index(path, MADE, 1, 3)
    end = read_end(path)
    assert [one.position for one in end.batches] == [MADE.batches[3][0], MADE.batches[4][0]]
    assert (end.next_offset, end.whole_bytes) == (END, len(MADE.data))


@pytest.mark.parametrize("number", [1, len(COUNTS) - 1], ids=["with batches after it", "the last of all"])
@pytest.mark.parametrize("entries", [(), (1,), (1, 2, 4)], ids=str)
def test_any_flipped_bit_of_an_uncovered_field_is_known_and_what_should_stand_there(
    tmp_path: Path, number: int, entries: tuple[int, ...]
) -> None:
    start = MADE.batches[number][0]
    for bit in UNCOVERED_BITS:
        path = write(tmp_path, 100, flipped(MADE.data, start, bit))
        index(path, MADE, *entries)
        end = read_end(path)
        if (number, entries) != (1, (1, 2, 4)):  # there it stands before the last entry: an old batch, the readers'
            (wrong,) = [one for one in end.batches if one.said != one.right]
            assert (wrong.position, wrong.right.base_offset) == (start, MADE.batches[number][2]), bit
            assert (wrong.end, wrong.right.magic) == (MADE.batches[number][1], 2), bit
        assert (end.next_offset, end.whole_bytes) == (END, len(MADE.data)), bit


def test_a_bit_of_the_leader_epoch_means_nothing(tmp_path: Path) -> None:
    for bit in range(12 * 8, 16 * 8):
        assert not said(read_end(write(tmp_path, 100, flipped(MADE.data, MADE.batches[-1][0], bit))))


def test_a_hole_in_the_offsets_from_which_the_log_went_on_is_left(tmp_path: Path) -> None:
    pieces = batch(0, [b"a", b"b"]) + batch(10, [b"c"]) + batch(11, [b"d"])
    end = read_end(write(tmp_path, 0, pieces))
    assert not said(end)
    assert end.next_offset == 12


def test_damaged_contents_are_the_readers_business(tmp_path: Path) -> None:
    for number, (_, stop, _, _) in enumerate(MADE.batches):
        end = read_end(write(tmp_path, 100, flipped(MADE.data, stop - 1, 3)))
        assert not said(end), number
        assert (end.next_offset, end.whole_bytes) == (END, len(MADE.data)), number


@pytest.mark.parametrize("field", [23, 57], ids=["last offset delta", "record count"])
def test_counts_that_do_not_agree_end_the_log_before_them_at_its_end_alone(tmp_path: Path, field: int) -> None:
    """A broker would go on behind the offset that such a batch claims, however far away."""
    for bit in range(32):
        for number, (start, _, offset, _) in enumerate(MADE.batches):
            end = read_end(write(tmp_path, 100, flipped(MADE.data, start + field, bit)))
            is_last = number == len(COUNTS) - 1
            assert (end.next_offset, end.whole_bytes) == ((offset, start) if is_last else (END, len(MADE.data))), bit
            assert not said(end)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, at: data[:at] + bytes(len(data) - at),
        lambda data, at: data[: at + 70],
        lambda data, at: data[: at + 20],
        lambda data, at: data[:at] + b"\xff" * (len(data) - at),
    ],
    ids=["zeroed", "cut in the records", "cut in the header", "ones"],
)
def test_what_is_no_batch_is_where_the_segment_ends(tmp_path: Path, damage: Callable[[bytes, int], bytes]) -> None:
    start, _, offset, _ = MADE.batches[-1]
    data = damage(MADE.data, start)
    end = read_end(write(tmp_path, 100, data))
    assert (end.next_offset, end.whole_bytes, end.size_bytes) == (offset, start, len(data))


def test_whatever_stands_at_the_end_it_is_told_without_an_error(tmp_path: Path) -> None:
    start, stop, _, _ = MADE.batches[-2]
    for cut in range(stop, len(MADE.data)):
        for data in (MADE.data[:cut], flipped(MADE.data[:cut], stop - 1, 0), flipped(MADE.data[:cut], start + 26, 1)):
            assert read_end(write(tmp_path, 100, data)).whole_bytes <= stop


def test_an_index_of_anything_only_costs_time(tmp_path: Path) -> None:
    path = write(tmp_path, 100, MADE.data)
    for content in (b"", b"\xff" * 40, b"\x00\x00\x00\x01" * 9, b"abc", struct.pack(">ii", 5, 10**6)):
        path.with_suffix(".index").write_bytes(content)
        end = read_end(path)
        assert not said(end)
        assert (len(end.batches), end.next_offset) == (len(COUNTS), END)


def test_an_empty_segment_ends_where_it_begins(tmp_path: Path) -> None:
    end = read_end(write(tmp_path, 100, b""))
    assert (end.batches, end.next_offset, end.whole_bytes) == ((), 100, 0)


def test_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "00.log").write_bytes(b"")
    with pytest.raises(ValueError, match="not the name of a segment"):
        read_end(tmp_path / "00.log")
