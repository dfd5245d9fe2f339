"""Segments as they should be, segments with one damage, and what is said of each."""

import errno
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamforge.codec import segment_bytes
from streamforge.codec.log_batches import Batch
from streamforge.codec.segments import Damage, DamageKind, segments, valid_end, walk, walk_segment
from streamforge.errors import Rejected
from tests.codec.segment_maker import FIRST_TIME_MS, HEADERS, Made, batch, segment, value, write

COUNTS = (3, 1, 4, 1, 5, 9, 2, 6)
END = 100 + sum(COUNTS)
MADE = segment(100, COUNTS, (0, 3, 1))


def split(directory: Path) -> tuple[list[Batch], list[Damage]]:
    found = list(walk(directory))
    return [one for one in found if isinstance(one, Batch)], [one for one in found if isinstance(one, Damage)]


def offsets(batches: Sequence[Batch]) -> list[int]:
    return [record.offset for one in batches for record in one.records()]


def damaged(made: Made, number: int, at: int, new: bytes) -> bytes:
    """The segment with these bytes at a place of a batch."""
    start = made.batches[number][0] + at
    return made.data[:start] + new + made.data[start + len(new) :]


def test_every_record_comes_back_with_all_it_has(tmp_path: Path) -> None:
    write(tmp_path, 100, MADE.data)
    batches, damage = split(tmp_path)
    assert not damage
    assert [(one.position, one.base_offset, one.size_bytes) for one in batches] == [
        (start, base, end - start) for start, end, base, _ in MADE.batches
    ]
    records = [record for one in batches for record in one.records()]
    assert [(record.offset, record.timestamp_us, record.key, record.value, record.headers) for record in records] == [
        (offset, (FIRST_TIME_MS + offset) * 1000, b"pump_1", value(offset), list(HEADERS)) for offset in range(100, END)
    ]
    assert valid_end(tmp_path) == END


def test_nulls_control_batches_and_append_time_are_told(tmp_path: Path) -> None:
    data = batch(0, [None, b""], key=None, headers=()) + batch(2, [b"x"], attributes=0x38)
    write(tmp_path, 0, data)
    (first, second), damage = split(tmp_path)
    assert [(one.key, one.value) for one in first.records()] == [(None, None), (None, b"")]
    assert (first.is_control, second.is_control, second.is_transactional) == (False, True, True)
    assert second.records()[0].timestamp_us == second.timestamp_us == (FIRST_TIME_MS + 2) * 1000
    assert not damage


@pytest.mark.parametrize(("codec", "word"), [(2, "snappy"), (4, "zstd"), (7, "code 7")])
def test_another_codec_is_named_and_the_rest_is_read(tmp_path: Path, codec: int, word: str) -> None:
    write(tmp_path, 0, batch(0, [b"a"], codec=codec) + batch(1, [b"b"]))
    (first, second), _ = split(tmp_path)
    with pytest.raises(Rejected, match=word):
        first.records()
    assert offsets([second]) == [1]


@pytest.mark.parametrize("codec", [1, 3])
def test_a_batch_whose_compression_lies_is_rejected(tmp_path: Path, codec: int) -> None:
    write(tmp_path, 0, batch(0, [b"a" * 500], attributes=codec))
    (only,), _ = split(tmp_path)
    with pytest.raises(Rejected, match="not gzip" if codec == 1 else "not lz4"):
        only.records()


def test_several_segments_and_one_missing(tmp_path: Path) -> None:
    for base in (0, 10, 20):
        write(tmp_path, base, segment(base, (5, 5)).data)
    (tmp_path / f"{0:020d}.index").write_bytes(b"")
    (tmp_path / f"{0:020d}.log.deleted").write_bytes(b"")
    assert len(segments(tmp_path)) == 3
    assert split(tmp_path)[1] == []
    (tmp_path / f"{10:020d}.log").unlink()
    batches, (hole,) = split(tmp_path)
    assert offsets(batches) == [*range(10), *range(20, 30)]
    assert (hole.kind, hole.first_offset, hole.next_offset) == (DamageKind.MISSING, 10, 20)
    assert valid_end(tmp_path) == 30


@pytest.mark.parametrize(
    ("at", "new", "reason"),
    [
        (0, b"\x7f", "out of order"),
        (8, b"\x7f", "a length of"),
        (8, b"\x00\x00\x00\x03", "a length of 3 bytes"),
        (16, b"\x01", "no batch begins here"),
        (17, b"\xa5\xa5\xa5\xa5", "CRC-32C"),
        (70, b"\xa5\xa5", "CRC-32C"),
    ],
)
def test_damage_in_the_middle_is_named_and_passed(tmp_path: Path, at: int, new: bytes, reason: str) -> None:
    start, end, base, count = MADE.batches[4]
    path = write(tmp_path, 100, damaged(MADE, 4, at, new))
    batches, (one,) = split(tmp_path)
    assert offsets(batches) == [*range(100, base), *range(base + count, END)]
    assert (one.file, one.position, one.length_bytes, one.kind) == (path, start, end - start, DamageKind.CORRUPT)
    assert (one.first_offset, one.next_offset) == (base, base + count)
    assert reason in one.reason
    assert valid_end(tmp_path) == base


def test_a_base_offset_that_was_made_larger_does_not_take_the_rest_with_it(tmp_path: Path) -> None:
    write(tmp_path, 100, damaged(MADE, 2, 0, struct.pack(">q", 100_000)))
    batches, (one,) = split(tmp_path)
    assert len(batches) == len(COUNTS) - 1
    assert "out of order" in one.reason or one.first_offset == MADE.batches[2][2]


def test_a_torn_tail_is_no_damage_in_the_middle(tmp_path: Path) -> None:
    for cut in range(1, MADE.batches[-1][1] - MADE.batches[-1][0]):
        write(tmp_path, 100, MADE.data[:-cut])
        batches, (one,) = split(tmp_path)
        assert (len(batches), one.kind, one.next_offset) == (len(COUNTS) - 1, DamageKind.TORN_TAIL, None)
        assert valid_end(tmp_path) == MADE.batches[-1][2]


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 61, b"\0" * 100_000])
def test_zero_bytes_at_the_end_are_a_torn_tail(tmp_path: Path, tail: bytes) -> None:
    write(tmp_path, 100, MADE.data + tail)
    _, (one,) = split(tmp_path)
    assert (one.kind, one.reason, one.length_bytes) == (DamageKind.TORN_TAIL, "zero bytes to the end", len(tail))
    assert valid_end(tmp_path) == END


def test_a_last_batch_that_goes_over_into_zero_bytes_is_torn(tmp_path: Path) -> None:
    big = batch(0, [b"\x01" * 9000])
    write(tmp_path, 0, big[:4096] + b"\0" * (len(big) - 4096))
    assert [one.kind for one in split(tmp_path)[1]] == [DamageKind.TORN_TAIL]
    write(tmp_path, 0, big[:-1] + b"\x02")
    assert [one.kind for one in split(tmp_path)[1]] == [DamageKind.CORRUPT]


def test_the_same_end_of_an_older_segment_is_damage(tmp_path: Path) -> None:
    first = segment(0, (5, 5)).data
    write(tmp_path, 0, first[:-3])
    write(tmp_path, 10, segment(10, (5,)).data)
    batches, (one,) = split(tmp_path)
    assert offsets(batches) == [*range(5), *range(10, 15)]
    assert (one.kind, one.first_offset, one.next_offset) == (DamageKind.CORRUPT, 5, 10)
    assert valid_end(tmp_path) == 5
    assert valid_end(tmp_path, from_offset=10) == 15


def test_the_end_of_partitions_that_hold_nothing(tmp_path: Path) -> None:
    assert valid_end(tmp_path) == 0
    assert valid_end(tmp_path, 7) == 7
    write(tmp_path, 40, b"")
    assert valid_end(tmp_path) == 40
    write(tmp_path, 40, b"\xff" * 4096)
    assert valid_end(tmp_path) == 40


@pytest.mark.parametrize("byte", [b"\x00", b"\x02", b"\xff"])
def test_megabytes_of_one_byte_do_not_hold_it_up(tmp_path: Path, byte: bytes) -> None:
    write(tmp_path, 0, byte * 4_000_000)
    assert [one.length_bytes for one in split(tmp_path)[1]] == [4_000_000]


def test_many_headers_that_lie_do_not_hold_it_up(tmp_path: Path) -> None:
    """Each claims to reach to the end of the file, so that each would cost a CRC over all of it."""
    size = 1_000_000
    liar = batch(0, [b""])[:40]
    pieces = (liar[:8] + struct.pack(">i", size - at - 12) + liar[12:] for at in range(0, size, len(liar)))
    write(tmp_path, 0, b"".join(pieces))
    assert len(split(tmp_path)[1]) == 1


def test_what_the_disk_does_not_give_is_unreadable_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = segment(0, [50] * 40)
    assert len(made.data) > 3 * segment_bytes.SECTOR_BYTES
    bad = range(segment_bytes.SECTOR_BYTES, 2 * segment_bytes.SECTOR_BYTES)
    real = os.preadv

    def failing(handle: int, buffers: Sequence[memoryview], at: int) -> int:
        if at < bad.stop and at + len(buffers[0]) > bad.start:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(handle, buffers, at)

    write(tmp_path, 0, made.data)
    monkeypatch.setattr(os, "preadv", failing)
    batches, (one,) = split(tmp_path)
    whole = [start for start, end, *_ in made.batches if end <= bad.start or start >= bad.stop]
    assert [found.position for found in batches] == whole
    assert one.kind is DamageKind.UNREADABLE


def test_a_file_that_may_not_be_opened_is_an_error_and_a_bad_one_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 0, MADE.data)
    for number, expected in ((errno.EACCES, None), (errno.EIO, DamageKind.UNREADABLE)):

        def refuse(*_: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", refuse)
            if expected is None:
                with pytest.raises(PermissionError):
                    split(tmp_path)
            else:
                assert [one.kind for one in split(tmp_path)[1]] == [expected]


def test_only_a_segment_is_walked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the name of a segment"):
        list(walk_segment(tmp_path / "99999999999999999999.log"))
