"""One pass over the bytes of one segment: intact batches, damage, and where to go on after it.

Source: Kafka documentation, "Record Batch". Three fields lie outside the CRC. A damaged length or base offset is found
by the neighbours; a damaged leader epoch cannot be, and means nothing on a single node.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from crc32c import crc32c

from streamforge.codec.log_batches import (
    CRC_FROM,
    HEADER,
    LEAST_LENGTH,
    LENGTH_FROM,
    MAGIC,
    MAGIC_AT,
    Batch,
    Header,
    batch_at,
    header_at,
    is_crc_right,
)
from streamforge.codec.segment_bytes import Content

_MOST_OFFSETS = 2**31
"""A segment's index counts offsets from its base in 32 bits."""
_CRC_SHARE = 64
"""Searches for the next batch compute CRCs over so many times the file at most, whatever stands in it."""
_SECTOR_BYTES = 512
_ESSENCE = struct.Struct(">qi4xbI2xi")
"""Of a header: base offset, length, magic, CRC, last offset delta."""


class DamageKind(StrEnum):
    """What is wrong with a stretch."""

    CORRUPT = "corrupt"
    TORN_TAIL = "torn_tail"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A stretch of a file in which no intact batch stands.

    `position` and `length_bytes` are in bytes; a length of 0 (kind missing) is a hole in the offsets before that place.
    The offsets that are gone reach from `first_offset` up to, not including, `next_offset`; None where nobody knows.
    """

    file: Path
    position: int
    length_bytes: int
    kind: DamageKind
    reason: str
    first_offset: int | None = None
    next_offset: int | None = None

    def __str__(self) -> str:
        where = f"{self.file} at byte {self.position}, {self.length_bytes} bytes"
        if self.first_offset is None:
            return f"{where}: {self.reason}"
        upto = "on" if self.next_offset is None else f"to {self.next_offset - 1}"
        return f"{where}: {self.reason}; offsets {self.first_offset} {upto}"


def hole(path: Path, position: int, first: int, next_offset: int | None, reason: str) -> Damage:
    """Offsets that stand in no file, noticed at that place; `next_offset` None: to the end of the log."""
    return Damage(
        file=path,
        position=position,
        length_bytes=0,
        kind=DamageKind.MISSING,
        reason=reason,
        first_offset=first,
        next_offset=next_offset,
    )


class Walk:
    """One pass over the bytes of one segment."""

    def __init__(self, path: Path, content: Content, base: int, next_base: int | None) -> None:
        self._path = path
        self._content = content
        self._data = content.data
        self._view = memoryview(content.data).toreadonly()
        self._size = len(content.data)
        self._expected = base
        self._next_base = next_base
        self._end_offset = base + _MOST_OFFSETS if next_base is None else min(next_base, base + _MOST_OFFSETS)
        self._searched_bytes = 0
        self._tops = tuple((offset >> 32).to_bytes(4, "big") for offset in (base, self._end_offset))

    @property
    def next_offset(self) -> int:
        """The offset that should come next, after what was walked."""
        return self._expected

    def skip(self) -> int:
        """Pass over the batches that are intact and without a hole from the start; the position after them.

        What `run` would find there, without making anything of it: some 1 us a batch instead of 4.
        """
        data, view, size, expected, at = self._data, self._view, self._size, self._expected, 0
        while at <= size - HEADER.size:
            base_offset, length, magic, crc, last_delta = _ESSENCE.unpack_from(data, at)
            end = at + LENGTH_FROM + length
            is_whole = base_offset == expected and magic == MAGIC and length >= LEAST_LENGTH and end <= size
            if not is_whole or not 0 <= last_delta < self._end_offset - expected:
                break
            if crc32c(view[at + CRC_FROM : end]) != crc:
                break
            expected, at = base_offset + last_delta + 1, end
        self._expected = expected
        return at

    def run(self, at: int = 0) -> Iterator[Batch | Damage]:
        """From a position, where a batch should begin, to the last byte."""
        while at < self._size:
            header = self._sound(at)
            if header is None or self._runs_ahead(at, header):
                damage = self._pass_over(at)
                yield damage
                at += damage.length_bytes
                continue
            if header.base_offset > self._expected:
                yield hole(self._path, at, self._expected, header.base_offset, "offsets are missing")
            self._expected = header.last_offset + 1
            yield batch_at(self._path, self._view, at, header)
            at += header.size_bytes
        if self._content.size_bytes > self._size:
            reason = f"longer than any segment: the first {self._size} bytes were read"
            yield self._damage(self._size, self._content.size_bytes, DamageKind.CORRUPT, reason, self._next_base)

    def _sound(self, at: int) -> Header | None:
        """The header of the intact batch that stands there, if one does."""
        header = self._plausible(at)
        return header if header and is_crc_right(self._view, at, header) else None

    def _plausible(self, at: int) -> Header | None:
        if self._size - at < HEADER.size or self._data[at + MAGIC_AT] != MAGIC:
            return None
        header = header_at(self._data, at)
        is_plausible = (
            LEAST_LENGTH <= header.length <= self._size - at - LENGTH_FROM
            and header.last_offset_delta >= 0
            and self._expected <= header.base_offset
            and header.last_offset < self._end_offset
        )
        return header if is_plausible else None

    def _runs_ahead(self, at: int, header: Header) -> bool:
        """Whether the base offset, which no CRC covers, was made larger: the next batch then overlaps this one.

        Unless the batch after that says that it is the next which is wrong.
        """
        if header.base_offset == self._expected:
            return False
        at += header.size_bytes
        second = self._sound(at)
        if second is None or second.base_offset > header.last_offset:
            return False
        third = self._sound(at + second.size_bytes)
        return third is None or third.base_offset != header.last_offset + second.last_offset_delta + 2

    def _pass_over(self, start: int) -> Damage:
        """What is damaged from `start` up to the next intact batch, or the end."""
        found = self._search(start + 1)
        end, next_offset = found or (self._size, self._next_base)
        is_newest_end = found is None and self._next_base is None
        if self._is_unreadable(start, end):
            kind, reason = DamageKind.UNREADABLE, "the disk does not give all bytes"
        elif is_newest_end and (torn := self._torn(start)):
            kind, reason = DamageKind.TORN_TAIL, torn
        else:
            kind, reason = DamageKind.CORRUPT, self._reason(start, end)
        damage = self._damage(start, end, kind, reason, next_offset)
        if next_offset is not None:
            self._expected = max(self._expected, next_offset)
        return damage

    def _damage(self, start: int, end: int, kind: DamageKind, reason: str, next_offset: int | None) -> Damage:
        is_gone = next_offset is None or next_offset > self._expected
        return Damage(
            file=self._path,
            position=start,
            length_bytes=end - start,
            kind=kind,
            reason=reason,
            first_offset=self._expected if is_gone else None,
            next_offset=next_offset if is_gone else None,
        )

    def _search(self, at: int) -> tuple[int, int] | None:
        """Position and base offset of the next intact batch."""
        data = self._data
        while (magic_at := data.find(MAGIC, at + MAGIC_AT)) >= 0 and self._searched_bytes <= _CRC_SHARE * self._size:
            at = magic_at - MAGIC_AT
            if data.startswith(self._tops, at) and (header := self._plausible(at)):
                self._searched_bytes += header.size_bytes
                if is_crc_right(self._view, at, header) and not self._runs_ahead(at, header):
                    return at, header.base_offset
            at += 1
        return None

    def _is_unreadable(self, start: int, end: int) -> bool:
        return any(first < end and start < last for first, last in self._content.unreadable)

    def _torn(self, start: int) -> str:
        """How the last write was cut off; empty where it was not: then the damage came later."""
        written_end = start + len(self._data[start:].rstrip(b"\0"))
        if written_end == start:
            return "zero bytes to the end"
        if self._size - start < HEADER.size:
            return "the last batch ends early"
        header = header_at(self._data, start)
        if header.magic != MAGIC or header.base_offset != self._expected or header.length < LEAST_LENGTH:
            return ""
        end = start + header.size_bytes
        if end > self._size:
            return "the last batch ends early"
        first_zero_sector = -(-written_end // _SECTOR_BYTES) * _SECTOR_BYTES
        return "the last batch ends in zero bytes" if first_zero_sector < end else ""

    def _reason(self, start: int, end: int) -> str:
        if not self._data[start:end].rstrip(b"\0"):
            return "zero bytes"
        if self._size - start < HEADER.size or self._data[start + MAGIC_AT] != MAGIC:
            return "no batch begins here"
        header = header_at(self._data, start)
        if not self._expected <= header.base_offset < self._end_offset:
            return f"base offset {header.base_offset} is out of order"
        if header.length > self._size - start - LENGTH_FROM or header.length < LEAST_LENGTH:
            return f"a length of {header.length} bytes cannot be"
        return "the checksum (CRC-32C) is wrong"
