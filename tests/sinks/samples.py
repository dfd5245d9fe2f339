"""Records for the tests of sinks, as they stand on the log."""

import time
from collections.abc import Sequence

from streamforge.model import (
    AggregateBatch,
    Alarm,
    AlarmState,
    Event,
    Kind,
    ReadingBatch,
    Record,
    Severity,
    Source,
    TimeQuality,
    Topic,
    Value,
    names,
)
from streamforge.progress import Counted, CountKey, Partition, Position, Progress, Stored

SOURCE = Source(
    asset_id="pump-1", adapter_id="plant", adapter_version="0.1.0", pipeline_id="main", hostname="gateway-1"
)
NOON_US = 1_767_268_800_000_000
"""2026-01-01 12:00:00 UTC."""

CLEAN = Partition(Topic.TELEMETRY_CLEAN.value)


def batch(
    seq: int = 0,
    values: Sequence[float] = (1.5, 2.5),
    *,
    epoch: int = 1,
    kinds: bytes | None = None,
    others: dict[int, Value] | None = None,
    gateway_time_us: int = NOON_US,
    asset_id: str = SOURCE.asset_id,
    **columns: object,
) -> ReadingBatch:
    """A scan of one asset; parameters are `p0`, `p1`, ..., doubles unless said otherwise."""
    parameters = tuple(f"p{index}" for index in range(len(values)))
    source = Source(
        asset_id=asset_id,
        adapter_id=SOURCE.adapter_id,
        adapter_version=SOURCE.adapter_version,
        pipeline_id=SOURCE.pipeline_id,
        hostname=SOURCE.hostname,
    )
    return ReadingBatch(
        source=source,
        epoch=epoch,
        seq=seq,
        count_before=seq * len(values),
        gateway_time_us=gateway_time_us,
        time_quality=TimeQuality.SYNCED,
        names=names(parameters, ("bar",) * len(values), kinds or bytes([Kind.DOUBLE] * len(values))),
        values=values,
        others=others or {},
        **columns,  # type: ignore[arg-type] # the test names real columns
    )


def window(revision: int = 0, avg: float = 2.0, *, start_us: int = NOON_US, asset_id: str = "pump-1") -> AggregateBatch:
    """A closed second of one asset with two parameters; the second saw no good sample."""
    nan = float("nan")
    return AggregateBatch(
        asset_id=asset_id, window_start_us=start_us, window_end_us=start_us + 1_000_000, revision=revision,
        parameters=("p0", "p1"), units=("bar", "bar"), avg=(avg, nan), min=(1.0, nan), max=(3.0, nan),
        stddev=(0.5, nan), count=(10, 0), p50=(2.0, nan), p95=(2.9, nan), p99=(3.0, nan), good=(9, 0),
        suspect=(1, 0), bad=(0, 4), sketches=(b"", b""),
    )  # fmt: skip


def event(number: int = 0) -> Event:
    """An event with details."""
    return Event(
        event_id=f"event-{number}",
        asset_id="pump-1",
        type="data_loss",
        severity=Severity.HIGH,
        time_us=NOON_US,
        message="3 records are gone",
        source="reader",
        details={"from": "5", "to": "7"},
    )


def alarm(state: AlarmState = AlarmState.UNACKNOWLEDGED, **fields: object) -> Alarm:
    """A standing alarm."""
    return Alarm(
        alarm_id="alarm-1",
        asset_id="pump-1",
        type="range",
        severity=Severity.CRITICAL,
        state=state,
        raised_at_us=NOON_US,
        message="pressure is high",
        value=9.5,
        threshold=8.0,
        unit="bar",
        **fields,  # type: ignore[arg-type] # the test names real fields
    )


def stored(records: Sequence[Record], first_offset: int = 0, *, partition: Partition = CLEAN) -> list[Stored]:
    """The records at consecutive offsets of one partition."""
    return [
        Stored(partition=partition, offset=first_offset + index, kafka_time_us=NOON_US + 1_000, record=record)
        for index, record in enumerate(records)
    ]


def scans(first: int, count: int, *, width: int = 2) -> list[Stored]:
    """Scans `first` up to `first + count`, each at the offset of its number; every value is unique."""
    records = [batch(seq, [seq + index / 1000 for index in range(width)]) for seq in range(first, first + count)]
    return stored(records, first)


def progress(next_offset: int, *, partition: Partition = CLEAN, incarnation: int = 1) -> Progress:
    """Everything before `next_offset` is done."""
    return Progress(
        positions={partition: Position(next_offset=next_offset, incarnation=incarnation, topic_id="t")},
        counts={CountKey("plant", 1): Counted(delivered=2 * next_offset, next_count=2 * next_offset)},
    )


def now_us() -> int:
    """The wall clock."""
    return time.time_ns() // 1000
