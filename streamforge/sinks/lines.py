"""A record of the log as lines of JSON in one of two layouts; columns stay columns where speed counts."""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

import orjson

from streamforge.errors import Rejected
from streamforge.model import AggregateBatch, DeadLetter, Kind, Names, ReadingBatch, Source, Value
from streamforge.progress import Stored
from streamforge.sinks.forms import Form, forms


class Layout(StrEnum):
    """What one line holds."""

    READING = "reading"
    BATCH = "batch"


def encode(batch: Sequence[Stored], layout: Layout) -> bytes:
    """All records as NDJSON. Raises Rejected with the records that JSON cannot hold."""
    one = batch_line if layout is Layout.BATCH else reading_lines
    lines: list[bytes] = []
    refused: dict[int, str] = {}
    for index, stored in enumerate(batch):
        try:
            lines.append(one(stored))
        except (TypeError, ValueError) as error:
            refused[index] = str(error)
    if refused:
        raise Rejected(tuple(refused), f"not JSON: {next(iter(refused.values()))}")
    return b"".join(lines)


def reading_lines(stored: Stored) -> bytes:
    """One line a reading, aggregate, event or alarm: `topic`, then the form of `streamforge.sinks.forms`."""
    topic = stored.partition.topic
    return b"".join(
        orjson.dumps({"topic": topic, **form}, option=orjson.OPT_APPEND_NEWLINE)
        for form in forms(stored.record, stored.kafka_time_us)
    )


def batch_line(stored: Stored) -> bytes:
    """One line a record: its place in the log, then its columns; times are microseconds since 1970, 0 = unknown."""
    record = stored.record
    place = orjson.dumps(
        {
            "topic": stored.partition.topic,
            "partition": stored.partition.number,
            "offset": stored.offset,
            "kafka_time": stored.kafka_time_us,
        }
    )[:-1]
    if isinstance(record, ReadingBatch):
        fields: tuple[bytes, ...] = (
            _source_json(record.source),
            _names_json(record.names),
            orjson.dumps(_columns(record))[1:],
        )
    elif isinstance(record, AggregateBatch):
        fields = (orjson.dumps(_window(record))[1:],)
    elif isinstance(record, DeadLetter):  # has a topic, a partition and an offset of its own
        fields = (orjson.dumps({"dead_letter": next(forms(record))})[1:],)
    else:
        fields = (orjson.dumps(next(forms(record)))[1:],)
    return b",".join((place, *fields)) + b"\n"


@lru_cache(maxsize=4096)
def _source_json(source: Source) -> bytes:
    fields = ("asset_id", "adapter_id", "adapter_version", "pipeline_id", "hostname")
    return orjson.dumps({name: getattr(source, name) for name in fields})[1:-1]


@lru_cache(maxsize=4096)
def _names_json(names: Names) -> bytes:
    return orjson.dumps({"parameters": names.parameters, "units": names.units})[1:-1]


@lru_cache(maxsize=4096)
def _whole(names: Names) -> tuple[bool, tuple[tuple[int, type[int]], ...]]:
    """Whether all are integers, and otherwise the places where an integer or boolean stands."""
    types = {Kind.LONG: int, Kind.ULONG: int, Kind.BOOLEAN: bool}
    places = tuple((index, types[Kind(kind)]) for index, kind in enumerate(names.kinds) if kind in types)
    return len(places) == len(names) and all(kind is int for _, kind in places), places


def _values(batch: ReadingBatch) -> list[Value]:
    all_whole, places = _whole(batch.names)
    if all_whole and not batch.others:
        return list(map(int, batch.values))
    values: list[Value] = list(batch.values)
    others = batch.others
    for index, kind in places:
        if index not in others:
            values[index] = kind(values[index])  # type: ignore[arg-type] # a float, by the contract of the columns
    for index in others:
        values[index] = batch.value(index)
    return values


def _columns(batch: ReadingBatch) -> Form:
    """What changes from scan to scan; columns that say nothing are left out."""
    columns: Form = {
        "epoch": batch.epoch,
        "seq": batch.seq,
        "count_before": batch.count_before,
        "gateway_time": batch.gateway_time_us,
        "time_quality": batch.time_quality,
        "values": _values(batch),
    }
    if any(batch.qualities):
        columns["qualities"] = list(batch.qualities)
    if batch.device_times_us:
        columns["device_times"] = list(batch.device_times_us)
    if batch.reasons:
        columns["reasons"] = {str(index): reason for index, reason in batch.reasons.items()}
    if batch.rejected:
        columns["rejected"] = batch.rejected
    return columns


def _window(batch: AggregateBatch) -> Form:
    """The columns of a window without its sketches, which only a merge needs."""
    columns = ("parameters", "units", "avg", "min", "max", "stddev", "count", "p50", "p95", "p99", "good", "suspect")
    return {
        "asset_id": batch.asset_id,
        "window_start": batch.window_start_us,
        "window_end": batch.window_end_us,
        "revision": batch.revision,
        **{name: list(getattr(batch, name)) for name in (*columns, "bad")},
    }
