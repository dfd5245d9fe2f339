"""A file of gzip members, each complete in itself and carrying what stands in it: pure format and reading.

A member's header has two extra subfields (RFC 1952, FEXTRA): `SF`, the member's whole length in bytes (so that a reader
hops from header to header, as in BGZF), and `SP`, the progress after it, as zlib data. Any gzip reads the file.
"""

import os
import struct
import time
import zlib
from dataclasses import dataclass

from streamforge.errors import Fatal
from streamforge.progress import Progress

_FIXED = struct.Struct("<4sIBBH")  # magic, method and flags; mtime; extra flags; system; length of all subfields
_LENGTH = struct.Struct("<2sHI")
_PROGRESS = struct.Struct("<2sH")
_TRAILER = struct.Struct("<II")
_MAGIC = b"\x1f\x8b\x08\x04"
_MOST_EXTRA_BYTES = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member as its header tells: where it stands, when it was written, the progress after it."""

    start: int
    end: int
    time_seconds: int
    progress: Progress


def member(payload: bytes, progress: Progress, *, level: int = 1) -> bytes:
    """One complete gzip member with `payload` inside. Raises Fatal where the progress exceeds a header (64 KiB)."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(payload) + deflate.flush()
    packed = zlib.compress(progress.to_json().encode(), 6)
    extra_bytes = _LENGTH.size + _PROGRESS.size + len(packed)
    if extra_bytes > _MOST_EXTRA_BYTES:
        msg = f"progress of {len(progress.counts)} adapter epochs does not fit the header of a file member"
        raise Fatal(msg)
    length = _FIXED.size + extra_bytes + len(body) + _TRAILER.size
    return b"".join(
        (
            _FIXED.pack(_MAGIC, int(time.time()) & 0xFFFFFFFF, 4 if level == 1 else 0, 255, extra_bytes),
            _LENGTH.pack(b"SF", 4, length),
            _PROGRESS.pack(b"SP", len(packed)),
            packed,
            body,
            _TRAILER.pack(zlib.crc32(payload), len(payload) & 0xFFFFFFFF),
        )
    )


def members(handle: int, size_bytes: int) -> list[Member]:
    """The members of an open file from its start up to the first that is torn or no member of ours.

    Only headers are read; the last members may still have a damaged body, see `is_whole`.
    """
    found: list[Member] = []
    start = 0
    while (next_one := _member_at(handle, start, size_bytes)) is not None:
        found.append(next_one)
        start = next_one.end
    return found


def is_whole(handle: int, one: Member) -> bool:
    """Whether the member's body inflates to what its checksum says."""
    data = os.pread(handle, one.end - one.start, one.start)
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        inflate.decompress(data)
    except zlib.error:
        return False
    return inflate.eof and not inflate.unused_data


def whole_members(handle: int, size_bytes: int) -> list[Member]:
    """The members up to the last whole one. Damage can stand at the end only: earlier ones were read back or synced."""
    found = members(handle, size_bytes)
    while found and not is_whole(handle, found[-1]):
        found.pop()
    return found


def _member_at(handle: int, start: int, size_bytes: int) -> Member | None:
    fixed = os.pread(handle, _FIXED.size, start)
    if len(fixed) < _FIXED.size:
        return None
    magic, seconds, _, _, extra_bytes = _FIXED.unpack(fixed)
    extra = os.pread(handle, extra_bytes, start + _FIXED.size)
    least = _LENGTH.size + _PROGRESS.size
    if magic != _MAGIC or len(extra) < extra_bytes or extra_bytes < least:
        return None
    *mark, length = _LENGTH.unpack_from(extra)
    progress_mark, packed_bytes = _PROGRESS.unpack_from(extra, _LENGTH.size)
    is_ours = mark == [b"SF", 4] and progress_mark == b"SP" and least + packed_bytes == extra_bytes
    end = start + length
    if not is_ours or end > size_bytes or length < _FIXED.size + extra_bytes + _TRAILER.size:
        return None
    try:
        progress = Progress.from_json(zlib.decompress(extra[least:]))
    except (zlib.error, ValueError):
        return None
    return Member(start=start, end=end, time_seconds=seconds, progress=progress)
