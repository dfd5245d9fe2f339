"""The bytes of one file of a disk that may be failing: what cannot be read is zero, and is named.

Read, never mapped: a bad sector under a mapping kills the process (SIGBUS), under `read` it is an error with a place.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1024 * 1024
SECTOR_BYTES = 4096
MOST_BYTES = 1024 * 1024 * 1024
"""Kafka's default size of a segment; this gateway's have 16 MiB. A damaged inode may name any length."""

_BAD_MEDIUM = frozenset({errno.EIO, errno.EBADMSG, errno.ENODATA, errno.EUCLEAN, errno.EREMOTEIO, errno.ENXIO})


def is_bad_medium(error: OSError) -> bool:
    """Whether the disk or the file system on it is at fault, and not a missing right or file."""
    return error.errno in _BAD_MEDIUM


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file holds. `unreadable` are the stretches (start, end in bytes) that stand as zeros for want of bytes.

    `size_bytes` is what the file system says; `data` may be shorter, see `MOST_BYTES`.
    """

    data: bytearray
    size_bytes: int
    unreadable: tuple[tuple[int, int], ...] = ()


def read(path: Path) -> Content:
    """The file, as much of it as the disk gives. Raises OSError where the file is not there or may not be read."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size_bytes = os.fstat(handle).st_size
        data = bytearray(min(size_bytes, MOST_BYTES))
        unreadable: list[tuple[int, int]] = []
        for start in range(0, len(data), CHUNK_BYTES):
            _fill(handle, data, start, min(start + CHUNK_BYTES, len(data)), unreadable)
    finally:
        os.close(handle)
    return Content(data=data, size_bytes=size_bytes, unreadable=tuple(_joined(unreadable)))


def _fill(handle: int, data: bytearray, start: int, end: int, unreadable: list[tuple[int, int]]) -> None:
    """One stretch; what fails is tried again sector by sector. A file that is shorter by now leaves zeros."""
    try:
        with memoryview(data) as view:
            at = start
            while at < end and (taken := os.preadv(handle, [view[at:end]], at)):
                at += taken
    except OSError as error:
        if not is_bad_medium(error):
            raise
        if end - start <= SECTOR_BYTES:
            unreadable.append((start, end))
            return
        for sector in range(start, end, SECTOR_BYTES):
            _fill(handle, data, sector, min(sector + SECTOR_BYTES, end), unreadable)


def _joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours as one."""
    found: list[tuple[int, int]] = []
    for start, end in stretches:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
