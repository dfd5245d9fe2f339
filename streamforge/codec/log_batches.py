"""One record batch as it stands in a log segment, magic 2, and the records inside.

Source: Kafka documentation, "Message Format", "Record Batch" and "Record". The CRC-32C covers what follows it, from
the attributes on: base offset, length and leader epoch stand before it and are covered by nothing.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from streamforge.codec import varint
from streamforge.codec.log_compression import decompress
from streamforge.errors import Rejected
from streamforge.progress import Headers

HEADER = struct.Struct(">qiibIhiqqqhii")
LENGTH_FROM = 12
"""`batchLength` counts the bytes after itself."""
CRC_FROM = 21
MAGIC_AT = 16
MAGIC = 2
LEAST_LENGTH = HEADER.size - LENGTH_FROM

_COMPRESSION, _LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20


class Header(NamedTuple):
    """The fixed fields of a batch, in the words and the order of the format; times are milliseconds since 1970."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        """What the whole batch takes in the file."""
        return LENGTH_FROM + self.length

    @property
    def last_offset(self) -> int:
        """The offset of the last record, or of the last that was there before compaction."""
        return self.base_offset + self.last_offset_delta


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record as the disk has it; `timestamp_us` is microseconds since 1970, 0 = unknown; null is None."""

    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """An intact batch: its CRC is right. `position` is in bytes from the start of the file."""

    file: Path
    position: int
    header: Header
    payload: memoryview = field(repr=False)

    @property
    def base_offset(self) -> int:
        """The offset of the first record."""
        return self.header.base_offset

    @property
    def last_offset(self) -> int:
        """The offset of the last record."""
        return self.header.last_offset

    @property
    def leader_epoch(self) -> int:
        """The partition leader's epoch when the batch was written; not covered by the CRC."""
        return self.header.leader_epoch

    @property
    def size_bytes(self) -> int:
        """What the batch takes in the file."""
        return self.header.size_bytes

    @property
    def timestamp_us(self) -> int:
        """The newest time in the batch, microseconds since 1970, 0 = unknown."""
        return _time_us(self.header.max_timestamp_ms)

    @property
    def is_control(self) -> bool:
        """Whether it holds markers of the broker (transactions, the metadata quorum) and no record of anybody."""
        return bool(self.header.attributes & _CONTROL)

    @property
    def is_transactional(self) -> bool:
        """Whether it belongs to a transaction."""
        return bool(self.header.attributes & _TRANSACTIONAL)

    @property
    def compression(self) -> int:
        """One of `Compression`, or a code that nobody knows."""
        return self.header.attributes & _COMPRESSION

    def records(self) -> list[LogRecord]:
        """The records, decoded now. Raises Rejected where the codec is none of ours or the records contradict."""
        data = decompress(self.compression, bytes(self.payload))
        try:
            return _records(data, self.header)
        except (IndexError, ValueError) as error:
            raise Rejected((0,), f"no records inside: {error}") from error


def header_at(data: bytes | bytearray | memoryview, position: int) -> Header:
    """The fields at that place. Raises struct.error where fewer than 61 bytes are left."""
    return Header._make(HEADER.unpack_from(data, position))


def is_crc_right(view: memoryview, position: int, header: Header) -> bool:
    """Whether the bytes of the batch are those that were written. The batch must lie within the view."""
    return crc32c(view[position + CRC_FROM : position + header.size_bytes]) == header.crc


def batch_at(file: Path, view: memoryview, position: int, header: Header) -> Batch:
    """The batch with this header at that place; `view` is the whole file."""
    payload = view[position + HEADER.size : position + header.size_bytes]
    return Batch(file=file, position=position, header=header, payload=payload)


def _time_us(time_ms: int) -> int:
    return time_ms * 1000 if time_ms > 0 else 0


def _records(data: bytes, header: Header) -> list[LogRecord]:
    is_append_time = bool(header.attributes & _LOG_APPEND_TIME)
    found: list[LogRecord] = []
    at = 0
    while at < len(data):
        length, at = varint.read(data, at)
        end = at + length
        if length < 0 or end > len(data):
            msg = f"a record of {length} bytes where {len(data) - at} are left"
            raise ValueError(msg)
        found.append(_record(data[at:end], header, is_append_time=is_append_time))
        at = end
    if len(found) != header.record_count:
        msg = f"{len(found)} records where the header says {header.record_count}"
        raise ValueError(msg)
    return found


def _record(data: bytes, header: Header, *, is_append_time: bool) -> LogRecord:
    timestamp_delta, at = varint.read(data, 1)  # byte 0 holds attributes, all unused
    offset_delta, at = varint.read(data, at)
    key, at = _bytes(data, at)
    value, at = _bytes(data, at)
    count, at = varint.read(data, at)
    headers: list[tuple[str, bytes]] = []
    for _ in range(count):
        name, at = _bytes(data, at)
        content, at = _bytes(data, at)
        headers.append(((name or b"").decode(errors="replace"), content or b""))
    time_ms = header.max_timestamp_ms if is_append_time else header.base_timestamp_ms + timestamp_delta
    offset = header.base_offset + offset_delta
    return LogRecord(offset=offset, timestamp_us=_time_us(time_ms), key=key, value=value, headers=headers)


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Bytes after their length; -1 is null."""
    length, at = varint.read(data, at)
    if length < 0:
        return None, at
    end = at + length
    if end > len(data):
        msg = f"a field of {length} bytes where {len(data) - at} are left"
        raise ValueError(msg)
    return data[at:end], end
