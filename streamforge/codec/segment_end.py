"""The last batches of a segment, from the last sound entry of its index on: what a broker reads at a start.

Base offset, length and magic stand before the CRC and are covered by nothing. What they must say is proven by the CRC
(where the batch ends), the batch before it and the one after it (which offset it begins with).
Source: Kafka documentation, "Record Batch"; of an entry in `<base>.index`: OffsetIndex.java.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crc32c import crc32c

from streamforge.codec.log_batches import CRC_FROM, HEADER, LEAST_LENGTH, LENGTH_FROM, MAGIC, Header, header_at
from streamforge.codec.segments import base_of

_OFFSET = struct.Struct(">q")
_ENTRY = struct.Struct(">ii")
"""The last offset of a batch, less the segment's base, and the batch's position in bytes; zeros from the end on."""
# A batch that an entry names may be damaged itself; an entry comes every 4 KiB or so.
_MOST_ENTRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EndBatch:
    """A batch that its CRC proves, or its place: from `position` up to `end`, in bytes.

    `said` is its header as it stands.
    """

    position: int
    end: int
    base_offset: int
    said: Header

    @property
    def next_offset(self) -> int:
        """The offset after its last record."""
        return self.base_offset + self.said.last_offset_delta + 1

    @property
    def right(self) -> Header:
        """The header that fits."""
        length = self.end - self.position - LENGTH_FROM
        return self.said._replace(base_offset=self.base_offset, length=length, magic=MAGIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEnd:
    """The chain of batches up to `whole_bytes`, after which `next_offset` would come; all of `size_bytes` if sound."""

    batches: tuple[EndBatch, ...]
    next_offset: int
    whole_bytes: int
    size_bytes: int


def read_end(path: Path) -> SegmentEnd:
    """The end of the segment `<base>.log`. Raises OSError where it cannot be read, ValueError for another name."""
    base = base_of(path)
    if base is None:
        msg = f"{path.name} is not the name of a segment"
        raise ValueError(msg)
    begin, data, next_offset = _start(path, base)
    batches = tuple(_chain(data, begin, next_offset))
    whole_bytes = begin
    if batches:
        whole_bytes, next_offset = batches[-1].end, batches[-1].next_offset
    return SegmentEnd(batches=batches, next_offset=next_offset, whole_bytes=whole_bytes, size_bytes=begin + len(data))


def _start(path: Path, base: int) -> tuple[int, bytes, int]:
    """A position from which the chain can be told, the bytes from there on, and the offset with which they begin.

    It is an entry of the index with which the batch there agrees; else the whole file is read.
    """
    for last, position in _entries(path.with_suffix(".index")):
        data = _read(path, position) if position > 0 else b""
        if len(data) < HEADER.size:
            continue
        header = header_at(data, 0)
        if (
            header.last_offset == base + last
            and header.size_bytes <= len(data)
            and _is_right(data, 0, header.size_bytes)
        ):
            return position, data, header.base_offset
    return 0, _read(path, 0), base


def _read(path: Path, position: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read()


def _entries(index: Path) -> list[tuple[int, int]]:
    """The newest entries of an index, newest first; of one that is not there, none."""
    try:
        content = index.read_bytes().rstrip(b"\0")
    except FileNotFoundError:
        return []
    size = -(-len(content) // _ENTRY.size) * _ENTRY.size
    content = content.ljust(size, b"\0")[-_MOST_ENTRIES * _ENTRY.size :]
    return list(_ENTRY.iter_unpack(content))[::-1]


def _chain(data: bytes, begin: int, expected: int) -> Iterator[EndBatch]:
    """Batch after batch, as far as they can be told; `data` begins at that byte of the file."""
    at = 0
    while (end := _end(data, at, expected)) is not None:
        said = header_at(data, at)
        following = _OFFSET.pack(said.base_offset + said.last_offset_delta + 1)
        # What goes on from there was written so; the last batch of all has nothing after it to say so.
        is_so = data[end : end + _OFFSET.size] == following
        base_offset = said.base_offset if is_so else expected
        one = EndBatch(position=begin + at, end=begin + end, base_offset=base_offset, said=said)
        yield one
        is_disputed = not _is_right(data, at, end) and _is_room(data, end)
        at, expected = end, header_at(data, end).base_offset if is_disputed else one.next_offset


def _end(data: bytes, at: int, expected: int) -> int | None:
    """Where the batch at this place ends, by its CRC: where its length says, where the next begins, or the file ends.

    Contents that are damaged are the readers'; such a batch ends where its header says, if that can be so.
    """
    if not _is_room(data, at):
        return None
    header = header_at(data, at)
    following = _OFFSET.pack(expected + max(0, header.last_offset_delta) + 1)
    ends = (at + header.size_bytes, data.find(following, at + HEADER.size), len(data))
    is_there = range(at + LENGTH_FROM + LEAST_LENGTH, len(data) + 1)
    proven = next((end for end in ends if end in is_there and _is_right(data, at, end)), None)
    if proven is None and header.magic == MAGIC and header.base_offset == expected and ends[0] in is_there:
        return ends[0] if data.startswith(following, ends[0]) or _can_end(data, header, ends[0]) else None
    return proven


def _can_end(data: bytes, header: Header, end: int) -> bool:
    """Whether a batch with damaged contents can end there: a whole one follows.

    At the end of all, its own two counts must agree: the broker takes the last offset of all from there.
    """
    if end == len(data):
        return header.record_count == header.last_offset_delta + 1
    return _is_room(data, end) and _is_whole(data, end)


def _is_room(data: bytes, at: int) -> bool:
    return len(data) - at >= HEADER.size


def _is_whole(data: bytes, at: int) -> bool:
    end = at + header_at(data, at).size_bytes
    return at + LENGTH_FROM + LEAST_LENGTH <= end <= len(data) and _is_right(data, at, end)


def _is_right(data: bytes, at: int, end: int) -> bool:
    return crc32c(memoryview(data)[at + CRC_FROM : end]) == header_at(data, at).crc
