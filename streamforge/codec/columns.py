"""ReadingBatch to Avro and back, fast: what stays the same from scan to scan is encoded and recognised as one block.

The bytes are exactly fastavro's (a property test compares them). Measured at 200 readings a batch: 0.05 us a reading
each way instead of 0.5 and 0.9. The source and the name block are cached; values are one `struct` call.
"""

import struct
from collections import OrderedDict
from functools import lru_cache

from streamforge.codec import varint
from streamforge.model import Names, ReadingBatch, Source, TimeQuality, Value, names

_MOST_BLOCKS = 4096
_LEAST_LONG, _MOST_LONG = -(2**63), 2**63 - 1


class Foreign(Exception):  # noqa: N818 - not a failure: the general decoder takes over
    """Valid Avro perhaps, but not in the form that this gateway writes (arrays of several or sized blocks)."""


def _text(value: str) -> bytes:
    encoded = value.encode()
    return varint.write(len(encoded)) + encoded


def _array(items: list[bytes]) -> bytes:
    return varint.write(len(items)) + b"".join(items) + b"\0" if items else b"\0"


@lru_cache(maxsize=_MOST_BLOCKS)
def _source_block(source: Source) -> bytes:
    fields = (source.asset_id, source.adapter_id, source.adapter_version, source.pipeline_id, source.hostname)
    return b"".join(map(_text, fields))


@lru_cache(maxsize=_MOST_BLOCKS)
def _name_block(columns: Names) -> bytes:
    return (
        _array([_text(name) for name in columns.parameters])
        + _array([_text(unit) for unit in columns.units])
        + varint.write(len(columns.kinds))
        + columns.kinds
    )


@lru_cache(maxsize=256)
def _doubles(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}d")


def _other(index: int, value: Value) -> bytes:
    head = varint.write(index)
    if value is None:
        return head + b"\0"
    if isinstance(value, str):
        return head + b"\4" + _text(value)
    if isinstance(value, int) and _LEAST_LONG <= value <= _MOST_LONG:
        return head + b"\2" + varint.write(value)
    msg = f"{value!r} does not stand beside the doubles: a long, a text or nothing does"
    raise ValueError(msg)


def encode(batch: ReadingBatch) -> bytes:
    """The body (without framing) of a batch. Raises ValueError where a column cannot be written."""
    count = len(batch.values)
    if count != len(batch.names):
        msg = f"{count} values for {len(batch.names)} names"
        raise ValueError(msg)
    values = varint.write(count) + _doubles(count).pack(*batch.values) + b"\0" if count else b"\0"
    return b"".join(
        (
            _source_block(batch.source),
            varint.write(batch.epoch),
            varint.write(batch.seq),
            varint.write(batch.count_before),
            varint.write(batch.gateway_time_us),
            _text(batch.time_quality),
            _name_block(batch.names),
            values,
            _array([_other(index, value) for index, value in batch.others.items()]),
            varint.write(len(batch.qualities)),
            batch.qualities,
            _array([varint.write(index) + _text(reason) for index, reason in batch.reasons.items()]),
            _array([varint.write(time) for time in batch.device_times_us]),
            _array([_text(parameter) + varint.write(n) for parameter, n in batch.rejected.items()]),
        )
    )


class Decoder:
    """Reads bodies; remembers sources and the latest name blocks of each, a bounded number of both."""

    def __init__(self) -> None:
        self._sources: OrderedDict[bytes, tuple[Source, list[tuple[bytes, Names]]]] = OrderedDict()

    def decode(self, data: bytes, at: int) -> ReadingBatch:
        """The batch whose body begins at `at`.

        Raises Foreign where the general decoder must look; IndexError, ValueError, struct.error on damaged bytes.
        """
        source, blocks, at = self._source(data, at)
        epoch, at = varint.read(data, at)
        seq, at = varint.read(data, at)
        count_before, at = varint.read(data, at)
        gateway_time, at = varint.read(data, at)
        time_quality, at = _read_text(data, at)
        columns, at = _read_names(data, at, blocks)
        count, at = _open_array(data, at)
        packed = _doubles(count)
        values = packed.unpack_from(data, at)
        at = _close_array(data, at + packed.size, count)
        others, at = _read_others(data, at)
        qualities, at = _read_bytes(data, at)
        reasons, at = _read_reasons(data, at)
        device_times, at = _read_longs(data, at)
        rejected, at = _read_rejected(data, at)
        if at != len(data):
            msg = f"{len(data) - at} bytes too many"
            raise ValueError(msg)
        return ReadingBatch(
            source=source,
            epoch=epoch,
            seq=seq,
            count_before=count_before,
            gateway_time_us=gateway_time,
            time_quality=TimeQuality(time_quality),
            names=columns,
            values=values,
            others=others,
            qualities=qualities,
            reasons=reasons,
            device_times_us=device_times,
            rejected=rejected,
        )

    def _source(self, data: bytes, start: int) -> tuple[Source, list[tuple[bytes, Names]], int]:
        at = start
        for _ in range(5):
            length, at = varint.read(data, at)
            at += length
            if length < 0 or at > len(data):
                msg = "a text runs past the end"
                raise ValueError(msg)
        block = data[start:at]
        known = self._sources.get(block)
        if known is None:
            known = (Source(**_read_source(block)), [])
            self._sources[block] = known
            if len(self._sources) > _MOST_BLOCKS:
                self._sources.popitem(last=False)
        return *known, at


def _read_source(block: bytes) -> dict[str, str]:
    at = 0
    fields: dict[str, str] = {}
    for name in ("asset_id", "adapter_id", "adapter_version", "pipeline_id", "hostname"):
        fields[name], at = _read_text(block, at)
    return fields


def _read_names(data: bytes, start: int, blocks: list[tuple[bytes, Names]]) -> tuple[Names, int]:
    for block, columns in blocks:
        if data.startswith(block, start):
            return columns, start + len(block)
    parameters, at = _read_texts(data, start)
    units, at = _read_texts(data, at)
    kinds, at = _read_bytes(data, at)
    columns = names(parameters, units, kinds)
    blocks.insert(0, (data[start:at], columns))
    del blocks[8:]
    return columns, at


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = varint.read(data, at)
    end = at + length
    if length < 0 or end > len(data):
        msg = "a field runs past the end"
        raise ValueError(msg)
    return data[at:end], end


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    raw, at = _read_bytes(data, at)
    return raw.decode(), at


def _open_array(data: bytes, at: int) -> tuple[int, int]:
    count, at = varint.read(data, at)
    if count < 0:
        raise Foreign
    if count > len(data) - at:
        msg = f"an array of {count} items in {len(data) - at} bytes"
        raise ValueError(msg)
    return count, at


def _close_array(data: bytes, at: int, count: int) -> int:
    if not count:
        return at
    if data[at]:
        raise Foreign
    return at + 1


def _read_texts(data: bytes, at: int) -> tuple[tuple[str, ...], int]:
    count, at = _open_array(data, at)
    found = []
    for _ in range(count):
        text, at = _read_text(data, at)
        found.append(text)
    return tuple(found), _close_array(data, at, count)


def _read_longs(data: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count, at = _open_array(data, at)
    found = []
    for _ in range(count):
        number, at = varint.read(data, at)
        found.append(number)
    return tuple(found), _close_array(data, at, count)


def _read_others(data: bytes, at: int) -> tuple[dict[int, Value], int]:
    count, at = _open_array(data, at)
    found: dict[int, Value] = {}
    for _ in range(count):
        index, at = varint.read(data, at)
        branch, at = varint.read(data, at)
        if branch == 0:
            found[index] = None
        elif branch == 1:
            found[index], at = varint.read(data, at)
        elif branch == 2:
            found[index], at = _read_text(data, at)
        else:
            msg = f"no branch {branch} of a value"
            raise ValueError(msg)
    return found, _close_array(data, at, count)


def _read_reasons(data: bytes, at: int) -> tuple[dict[int, str], int]:
    count, at = _open_array(data, at)
    found: dict[int, str] = {}
    for _ in range(count):
        index, at = varint.read(data, at)
        found[index], at = _read_text(data, at)
    return found, _close_array(data, at, count)


def _read_rejected(data: bytes, at: int) -> tuple[dict[str, int], int]:
    count, at = _open_array(data, at)
    found: dict[str, int] = {}
    for _ in range(count):
        parameter, at = _read_text(data, at)
        found[parameter], at = varint.read(data, at)
    return found, _close_array(data, at, count)
