"""The one JSON form of what people and customers see: Reading, Aggregate, Event, Alarm, DeadLetter as plain objects.

Times are RFC 3339 in UTC with microseconds, null where unknown. `metadata.epoch`, `.seq` and `.index` name a reading
once and for all, so that whoever receives it can find a repeat. NaN and infinity are no JSON: null stands there.
"""

import base64
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import orjson

from streamforge.model import (
    Aggregate,
    AggregateBatch,
    Alarm,
    DeadLetter,
    Event,
    Quality,
    Reading,
    ReadingBatch,
    Record,
    aggregates,
    readings,
)

Form = dict[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1024)
def time_text(time_us: int) -> str | None:
    """Microseconds since 1970 as RFC 3339 in UTC; None where unknown (0) or outside the years 1 to 9999."""
    if not time_us:
        return None
    try:
        moment = _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def reading_form(reading: Reading) -> Form:
    """A reading as the architecture documents write it; `reason` stands there only where there is one."""
    form: Form = {
        "asset_id": reading.asset_id,
        "parameter": reading.parameter,
        "value": reading.value,
        "unit": reading.unit,
        "quality": Quality(reading.quality).name,
        "classification": reading.classification,
        "timestamps": {
            "device_time": time_text(reading.device_time_us),
            "gateway_time": time_text(reading.gateway_time_us),
            "kafka_time": time_text(reading.kafka_time_us),
        },
        "clock_skew_ms": reading.clock_skew_ms,
        "metadata": {
            "adapter_id": reading.adapter_id,
            "adapter_version": reading.adapter_version,
            "pipeline_id": reading.pipeline_id,
            "hostname": reading.hostname,
        },
    }
    if reading.reason:
        form["reason"] = reading.reason
    return form


def batch_forms(batch: ReadingBatch, kafka_time_us: int = 0) -> Iterator[Form]:
    """The readings of a batch one by one, each with its place: `metadata.epoch`, `.seq`, `.index`."""
    for index, reading in enumerate(readings(batch, kafka_time_us)):
        form = reading_form(reading)
        form["metadata"] = {
            "adapter_id": reading.adapter_id,
            "adapter_version": reading.adapter_version,
            "pipeline_id": reading.pipeline_id,
            "hostname": reading.hostname,
            "epoch": batch.epoch,
            "seq": batch.seq,
            "index": index,
        }
        yield form


def aggregate_form(aggregate: Aggregate) -> Form:
    """One window of one parameter; `pct_good` is in percent of all samples, null where there were none."""
    samples = aggregate.good + aggregate.suspect + aggregate.bad
    return {
        "asset_id": aggregate.asset_id,
        "parameter": aggregate.parameter,
        "unit": aggregate.unit,
        "window_start": time_text(aggregate.window_start_us),
        "window_end": time_text(aggregate.window_end_us),
        "revision": aggregate.revision,
        "aggregates": {
            name: getattr(aggregate, name) for name in ("avg", "min", "max", "stddev", "count", "p50", "p95", "p99")
        },
        "quality_summary": {
            "good_samples": aggregate.good,
            "suspect_samples": aggregate.suspect,
            "bad_samples": aggregate.bad,
            "pct_good": round(100 * aggregate.good / samples, 3) if samples else None,
        },
    }


def event_form(event: Event) -> Form:
    """An event, `time` in words."""
    return _with_times(asdict(event))


def alarm_form(alarm: Alarm) -> Form:
    """An alarm and where it stands, its times in words."""
    return _with_times(asdict(alarm))


def dead_letter_form(letter: DeadLetter) -> Form:
    """A record that could not be read; `payload` is its bytes in base64."""
    return _with_times({**asdict(letter), "payload": base64.b64encode(letter.payload).decode()})


def _with_times(fields: dict[str, object]) -> Form:
    """Fields named `x_us` become `x` in words."""
    return {
        name.removesuffix("_us"): time_text(value) if name.endswith("_us") and isinstance(value, int) else value
        for name, value in fields.items()
    }


def forms(record: Record | Aggregate, kafka_time_us: int = 0) -> Iterator[Form]:
    """Any record of the log in its single form: one object a reading, parameter, event, alarm or dead letter."""
    match record:
        case ReadingBatch():
            yield from batch_forms(record, kafka_time_us)
        case AggregateBatch():
            yield from map(aggregate_form, aggregates(record))
        case Reading():
            yield reading_form(record)
        case Aggregate():
            yield aggregate_form(record)
        case Event():
            yield event_form(record)
        case Alarm():
            yield alarm_form(record)
        case DeadLetter():
            yield dead_letter_form(record)


def dumps(form: Form) -> bytes:
    """One line of JSON without its newline. Raises TypeError for what JSON cannot hold (an integer beyond 64 bits)."""
    return orjson.dumps(form)
