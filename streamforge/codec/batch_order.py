"""Whether record batches follow each other: no CRC covers the base offset, so only the neighbours can say it is right.

Source: Kafka documentation, "Record Batch". Heads alone are looked at, some 1 us a batch.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from streamforge.codec.log_batches import LEAST_LENGTH, LENGTH_FROM, MAGIC

_HEAD = struct.Struct(">qi4xb6xi")


class Head(NamedTuple):
    """What leads from one batch to the next."""

    base_offset: int
    next_offset: int
    magic: int


def heads_of(raw: bytes | bytearray | memoryview) -> Iterator[Head]:
    """The heads of the whole batches from the first byte on, as far as their lengths lead."""
    at, size = 0, len(raw)
    while at + LENGTH_FROM + LEAST_LENGTH <= size:
        base, length, magic, last_delta = _HEAD.unpack_from(raw, at)
        at += LENGTH_FROM + length
        if length < LEAST_LENGTH or at > size:
            return
        yield Head(base, base + last_delta + 1, magic)


def follow(raw: bytes | bytearray | memoryview, offset: int, *, is_boundary: bool) -> tuple[bool, int]:
    """Whether these batches can be what stands from `offset` on, and the offset after the last whole one.

    The first holds that offset, or begins with it where it is known that a batch begins there (`is_boundary`); each
    other begins where the one before it ends.
    """
    expected = offset
    for index, head in enumerate(heads_of(raw)):
        is_right = head.base_offset == expected
        if index == 0 and not is_boundary:
            is_right = head.base_offset <= offset < head.next_offset
        if not is_right or head.magic != MAGIC:
            return False, expected
        expected = head.next_offset
    return True, expected
