"""Records to bytes and back; what is none of ours is one clear error."""

import json
import struct
from contextlib import suppress

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.codec import decode, encode, forms, schemas
from streamforge.codec.framing import decode_general, encode_general
from streamforge.errors import Rejected
from streamforge.model import (
    Aggregate,
    AggregateBatch,
    Alarm,
    AlarmState,
    DeadLetter,
    Event,
    Quality,
    Reading,
    ReadingBatch,
    Record,
    Severity,
)
from tests.samples import batch, batches

READING = Reading(
    asset_id="pump_1",
    parameter="pressure",
    value=1.5,
    unit="bar",
    quality=Quality.SUSPECT,
    device_time_us=5,
    reason="x",
)
EVENT = Event(
    event_id="e1", asset_id="pump_1", type="door", severity=Severity.LOW, time_us=7, message="open", details={"a": "b"}
)
ALARM = Alarm(
    alarm_id="a1",
    asset_id="pump_1",
    type="high",
    severity=Severity.HIGH,
    state=AlarmState.CLEARED,
    raised_at_us=1,
    value=2.0,
    threshold=1.0,
)
AGGREGATES = AggregateBatch(
    asset_id="pump_1",
    window_start_us=0,
    window_end_us=1_000_000,
    revision=0,
    parameters=("a", "b"),
    units=("bar", ""),
    avg=(1.0, 2.0),
    min=(0.0, 1.0),
    max=(2.0, 3.0),
    stddev=(0.5, 0.5),
    count=(3, 4),
    p50=(1.0, 2.0),
    p95=(2.0, 3.0),
    p99=(2.0, 3.0),
    good=(3, 4),
    suspect=(0, 0),
    bad=(1, 0),
    sketches=(b"\x01", b""),
)
AGGREGATE = Aggregate(
    asset_id="pump_1",
    parameter="a",
    unit="bar",
    window_start_us=0,
    window_end_us=1,
    revision=0,
    avg=1.0,
    min=1.0,
    max=1.0,
    stddev=0.0,
    count=1,
    p50=1.0,
    p95=1.0,
    p99=1.0,
    good=1,
    suspect=0,
    bad=0,
)
LETTER = DeadLetter(topic="telemetry.raw", partition=0, offset=3, time_us=1, reason="no frame", payload=b"\xff")


@pytest.mark.parametrize(
    "record", [READING, EVENT, ALARM, AGGREGATES, AGGREGATE, LETTER], ids=lambda r: type(r).__name__
)
def test_every_kind_of_record_comes_back_as_it_was(record: Record | Aggregate) -> None:
    assert decode(encode(record)) == record


@given(batches())
def test_a_batch_is_written_byte_for_byte_as_fastavro_writes_it(any_batch: ReadingBatch) -> None:
    assert encode(any_batch) == encode_general(any_batch)


@given(batches())
def test_both_decoders_read_the_batch_that_was_written(any_batch: ReadingBatch) -> None:
    data = encode(any_batch)
    assert decode(data) == any_batch
    assert decode_general(data) == any_batch


def test_a_batch_in_several_blocks_as_other_clients_write_it_is_read() -> None:
    data = encode(batch())
    values = struct.pack("<3d", 1.5, 1.0, float("nan"))
    assert values in data
    two_blocks = b"\x02" + values[:8] + b"\x04" + values[8:] + b"\0"
    other = data.replace(b"\x06" + values + b"\0", two_blocks)
    read = decode(other)
    assert isinstance(read, ReadingBatch)
    assert read.values[:2] == (1.5, 1.0)


@given(st.binary(max_size=300))
def test_bytes_that_are_none_of_ours_are_rejected_and_never_crash(data: bytes) -> None:
    for frame in (b"", b"\0\0\0\0\x01", b"\0\0\0\0\x02", b"\0\0\0\0\x05"):
        with suppress(Rejected):
            decode(frame + data)


@given(st.data())
def test_a_damaged_batch_is_rejected_or_still_a_whole_batch(data: st.DataObject) -> None:
    whole = bytearray(encode(batch()))
    place = data.draw(st.integers(5, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(5, len(whole)))])
    try:
        read = decode(damaged)
    except Rejected:
        return
    assert isinstance(read, ReadingBatch)
    assert len([read.value(index) for index in range(len(read))]) == len(read.names)


def test_a_length_of_exabytes_is_an_error_at_once_not_gigabytes() -> None:
    huge = b"\0\0\0\0\x01" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
    with pytest.raises(Rejected, match="not a ReadingBatch"):
        decode(huge)


def test_an_unknown_schema_is_named() -> None:
    with pytest.raises(Rejected, match="unknown schema id 4711"):
        decode(struct.pack(">bI", 0, 4711) + b"x")


def test_every_schema_is_plain_avro_without_recursion_or_arrays_of_null() -> None:
    for known in schemas.table().values():
        fastavro.parse_schema(json.loads(known.text))
        assert '"items":"null"' not in known.text
        assert known.text.count(f'"{known.kind}"') == 1, "a record that contains itself exhausts the decoder"


def test_an_older_schema_of_the_table_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = schemas.newest("Event")
    text = newest.text.replace('"fields":[', '"fields":[{"name":"zone","type":"string","default":""},')
    changed = schemas.Known(schema_id=99, kind="Event", text=text, parsed=fastavro.parse_schema(json.loads(text)))
    old_bytes = encode(EVENT)
    monkeypatch.setattr(schemas, "newest", lambda _kind: changed)
    monkeypatch.setitem(forms.FROM_FORM, "Event", lambda form: form)
    read = decode(old_bytes)
    assert isinstance(read, dict)
    assert read["zone"] == ""
    assert read["message"] == "open"
