"""An encoder of record batches of the tests' own, written from the format's description and from nothing of ours."""

import gzip
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import crc32c
import lz4.frame

FIRST_TIME_MS = 1_790_000_000_000
COMPRESS: dict[int, Callable[[bytes], bytes]] = {1: gzip.compress, 3: lz4.frame.compress}
HEADERS = (("sf-in", b"\x00\x01"), ("empty", b""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A segment's bytes and where its batches stand: (start, end, base offset, count)."""

    data: bytes
    batches: tuple[tuple[int, int, int, int], ...]


def zigzag(number: int) -> bytes:
    """A signed varint of protocol buffers."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes(out) + bytes([rest])


def sized(content: bytes | None) -> bytes:
    return zigzag(-1) if content is None else zigzag(len(content)) + content


def record(index: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> bytes:
    fields = b"\0" + zigzag(index) + zigzag(index) + sized(key) + sized(value) + zigzag(len(headers))
    fields += b"".join(sized(name.encode()) + sized(content) for name, content in headers)
    return zigzag(len(fields)) + fields


def batch(
    base_offset: int,
    values: Sequence[bytes | None],
    *,
    codec: int = 0,
    attributes: int = 0,
    key: bytes | None = b"pump_1",
    headers: Sequence[tuple[str, bytes]] = HEADERS,
) -> bytes:
    """One record batch: record i has the time FIRST_TIME_MS + base offset + i."""
    records = b"".join(record(index, key, value, headers) for index, value in enumerate(values))
    records = COMPRESS.get(codec, bytes)(records)
    first_ms, delta = FIRST_TIME_MS + base_offset, len(values) - 1
    checked = struct.pack(">hiqqqhii", codec | attributes, delta, first_ms, first_ms + delta, -1, -1, -1, len(values))
    checked += records
    crc: int = crc32c.crc32c(checked)
    return struct.pack(">qiibI", base_offset, len(checked) + 9, 0, 2, crc) + checked


def value(offset: int) -> bytes:
    """The value of the record at an offset: some length, no regular bytes."""
    return b"%d:" % offset + bytes((offset * 7 + index * 31) % 251 for index in range(offset * 13 % 90))


def segment(base_offset: int, counts: Sequence[int], codecs: Sequence[int] = (0,)) -> Made:
    """A batch for each count, one after the other, the codecs in turn."""
    pieces: list[bytes] = []
    places: list[tuple[int, int, int, int]] = []
    at, offset = 0, base_offset
    for number, count in enumerate(counts):
        values = [value(one) for one in range(offset, offset + count)]
        pieces.append(batch(offset, values, codec=codecs[number % len(codecs)]))
        places.append((at, at + len(pieces[-1]), offset, count))
        at, offset = at + len(pieces[-1]), offset + count
    return Made(data=b"".join(pieces), batches=tuple(places))


def write(directory: Path, base_offset: int, data: bytes) -> Path:
    """The bytes as the segment of that base offset."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{base_offset:020d}.log"
    path.write_bytes(data)
    return path
