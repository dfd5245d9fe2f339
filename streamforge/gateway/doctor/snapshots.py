"""KRaft snapshots: `bootstrap.checkpoint` and `<offset>-<epoch>.checkpoint` of the metadata partition.

Batches of Kafka's record format 2, one after another, the last of them a control batch with a SnapshotFooterRecord.
"""

import re
import struct

from crc32c import crc32c

BOOTSTRAP = "bootstrap.checkpoint"
NAME = re.compile(r"(\d{20})-\d{10}\.checkpoint")

# Base offset, length of what follows, leader epoch, magic, CRC-32C of all after itself.
_HEAD = struct.Struct(">qiibI")
_BEFORE_LENGTH_ENDS = 12
_CRC_ENDS = _HEAD.size
_BATCH_HEADER_BYTES = 61
_MAGIC = 2
_CONTROL = 0x20
_ATTRIBUTES = struct.Struct(">h")
# A control record's key: version 0, type 4 (ControlRecordType.SNAPSHOT_FOOTER).
_FOOTER_KEY = b"\x00\x00\x00\x04"


def snapshot_fault(content: bytes) -> str:
    """What is wrong with a snapshot, in a few words; empty where it is whole."""
    if not content.strip(b"\0"):
        return "zeroed" if content else "empty"
    at, end = 0, 0
    while end < len(content):
        at = end
        if wrong := _batch_fault(content, at):
            return f"{wrong} at byte {at}"
        end = _end(content, at)
    return "" if _is_footer(content[at:]) else "truncated: it has no end"


def intact_bytes(content: bytes) -> int:
    """How many bytes of a segment are whole batches, from its beginning on."""
    at = 0
    while at < len(content) and not _batch_fault(content, at):
        at = _end(content, at)
    return at


def _batch_fault(content: bytes, at: int) -> str:
    if len(content) - at < _BATCH_HEADER_BYTES:
        return "truncated"
    _, length, _, magic, checksum = _HEAD.unpack_from(content, at)
    if magic != _MAGIC or length < _BATCH_HEADER_BYTES - _BEFORE_LENGTH_ENDS:
        return "garbage"
    end = _end(content, at)
    if end > len(content):
        return "truncated in the batch"
    return "" if crc32c(content[at + _CRC_ENDS : end]) == checksum else "a batch with another checksum"


def _end(content: bytes, at: int) -> int:
    length: int = _HEAD.unpack_from(content, at)[1]
    return at + _BEFORE_LENGTH_ENDS + length


def _is_footer(batch: bytes) -> bool:
    (attributes,) = _ATTRIBUTES.unpack_from(batch, _CRC_ENDS)
    return bool(attributes & _CONTROL) and _FOOTER_KEY in batch[_BATCH_HEADER_BYTES:]
