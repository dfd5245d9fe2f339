"""Each record kind as the plain dictionary that its schema describes, and back."""

from collections.abc import Callable
from typing import Any

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
    Source,
    TimeQuality,
    names,
)

Form = dict[str, Any]


def _reading_batch_form(batch: ReadingBatch) -> Form:
    source = batch.source
    return {
        "asset_id": source.asset_id,
        "adapter_id": source.adapter_id,
        "adapter_version": source.adapter_version,
        "pipeline_id": source.pipeline_id,
        "hostname": source.hostname,
        "epoch": batch.epoch,
        "seq": batch.seq,
        "count_before": batch.count_before,
        "gateway_time": batch.gateway_time_us,
        "time_quality": batch.time_quality.value,
        "parameters": batch.names.parameters,
        "units": batch.names.units,
        "kinds": batch.names.kinds,
        "values": batch.values,
        "others": [{"index": index, "value": value} for index, value in batch.others.items()],
        "qualities": batch.qualities,
        "reasons": [{"index": index, "reason": reason} for index, reason in batch.reasons.items()],
        "device_times": batch.device_times_us,
        "rejected": [{"parameter": name, "count": count} for name, count in batch.rejected.items()],
    }


def _reading_batch(form: Form) -> ReadingBatch:
    return ReadingBatch(
        source=Source(
            asset_id=form["asset_id"],
            adapter_id=form["adapter_id"],
            adapter_version=form["adapter_version"],
            pipeline_id=form["pipeline_id"],
            hostname=form["hostname"],
        ),
        epoch=form["epoch"],
        seq=form["seq"],
        count_before=form["count_before"],
        gateway_time_us=form["gateway_time"],
        time_quality=TimeQuality(form["time_quality"]),
        names=names(tuple(form["parameters"]), tuple(form["units"]), form["kinds"]),
        values=tuple(form["values"]),
        others={other["index"]: other["value"] for other in form["others"]},
        qualities=form["qualities"],
        reasons={reason["index"]: reason["reason"] for reason in form["reasons"]},
        device_times_us=tuple(form["device_times"]),
        rejected={rejected["parameter"]: rejected["count"] for rejected in form["rejected"]},
    )


_AGGREGATE_COLUMNS = (
    "parameters",
    "units",
    "avg",
    "min",
    "max",
    "stddev",
    "count",
    "p50",
    "p95",
    "p99",
    "good",
    "suspect",
    "bad",
    "sketches",
)


def _aggregate_batch_form(batch: AggregateBatch) -> Form:
    form: Form = {name: getattr(batch, name) for name in _AGGREGATE_COLUMNS}
    form["asset_id"] = batch.asset_id
    form["window_start"], form["window_end"] = batch.window_start_us, batch.window_end_us
    form["revision"] = batch.revision
    return form


def _aggregate_batch(form: Form) -> AggregateBatch:
    if len({len(form[name]) for name in _AGGREGATE_COLUMNS}) != 1:
        msg = "columns of an aggregate differ in length"
        raise ValueError(msg)
    return AggregateBatch(
        asset_id=form["asset_id"],
        window_start_us=form["window_start"],
        window_end_us=form["window_end"],
        revision=form["revision"],
        **{name: tuple(form[name]) for name in _AGGREGATE_COLUMNS},
    )


def reading_form(reading: Reading) -> Form:
    """The single form of the documents, with nested timestamps and metadata; times in microseconds."""
    return {
        "asset_id": reading.asset_id,
        "parameter": reading.parameter,
        "value": reading.value,
        "unit": reading.unit,
        "quality": reading.quality.name,
        "classification": reading.classification,
        "timestamps": {
            "device_time": reading.device_time_us,
            "gateway_time": reading.gateway_time_us,
            "kafka_time": reading.kafka_time_us,
        },
        "clock_skew_ms": reading.clock_skew_ms,
        "reason": reading.reason,
        "metadata": {
            "adapter_id": reading.adapter_id,
            "adapter_version": reading.adapter_version,
            "pipeline_id": reading.pipeline_id,
            "hostname": reading.hostname,
        },
    }


def _reading(form: Form) -> Reading:
    times = {f"{name}_us": time for name, time in form["timestamps"].items()}
    flat = {name: form[name] for name in ("asset_id", "parameter", "value", "unit", "classification", "reason")}
    return Reading(**flat, quality=Quality[form["quality"]], **times, **form["metadata"])


_AGGREGATES = ("avg", "min", "max", "stddev", "count", "p50", "p95", "p99")


def aggregate_form(aggregate: Aggregate) -> Form:
    """The single form of the documents, with nested aggregates and quality summary."""
    samples = aggregate.good + aggregate.suspect + aggregate.bad
    return {
        "asset_id": aggregate.asset_id,
        "parameter": aggregate.parameter,
        "unit": aggregate.unit,
        "window_start": aggregate.window_start_us,
        "window_end": aggregate.window_end_us,
        "revision": aggregate.revision,
        "aggregates": {name: getattr(aggregate, name) for name in _AGGREGATES},
        "quality_summary": {
            "good_samples": aggregate.good,
            "suspect_samples": aggregate.suspect,
            "bad_samples": aggregate.bad,
            "pct_good": 100.0 * aggregate.good / samples if samples else 0.0,
        },
    }


def _aggregate(form: Form) -> Aggregate:
    summary = form["quality_summary"]
    flat = {name: form[name] for name in ("asset_id", "parameter", "unit", "revision")}
    return Aggregate(
        **flat,
        window_start_us=form["window_start"],
        window_end_us=form["window_end"],
        **form["aggregates"],
        good=summary["good_samples"],
        suspect=summary["suspect_samples"],
        bad=summary["bad_samples"],
    )


def event_form(event: Event) -> Form:
    """An event as its schema names the fields."""
    names_ = ("event_id", "asset_id", "type", "message", "source", "details")
    return {**{name: getattr(event, name) for name in names_}, "severity": event.severity.value, "time": event.time_us}


def _event(form: Form) -> Event:
    rest = {name: value for name, value in form.items() if name not in {"severity", "time"}}
    return Event(**rest, severity=Severity(form["severity"]), time_us=form["time"])


_ALARM_TIMES = ("raised_at", "acked_at", "cleared_at")
_ALARM_PLAIN = ("alarm_id", "asset_id", "type", "acked_by", "message", "value", "threshold", "unit")


def alarm_form(alarm: Alarm) -> Form:
    """An alarm as its schema names the fields."""
    form: Form = {name: getattr(alarm, name) for name in _ALARM_PLAIN}
    form.update({name: getattr(alarm, f"{name}_us") for name in _ALARM_TIMES})
    return {**form, "severity": alarm.severity.value, "state": alarm.state.value}


def _alarm(form: Form) -> Alarm:
    plain = {name: form[name] for name in _ALARM_PLAIN}
    times = {f"{name}_us": form[name] for name in _ALARM_TIMES}
    return Alarm(**plain, **times, severity=Severity(form["severity"]), state=AlarmState(form["state"]))


_LETTER = ("topic", "partition", "offset", "reason", "payload")


def _dead_letter_form(letter: DeadLetter) -> Form:
    return {**{name: getattr(letter, name) for name in _LETTER}, "time": letter.time_us}


def _dead_letter(form: Form) -> DeadLetter:
    return DeadLetter(**{name: form[name] for name in _LETTER}, time_us=form["time"])


TO_FORM: dict[type[Any], Callable[[Any], Form]] = {
    ReadingBatch: _reading_batch_form,
    AggregateBatch: _aggregate_batch_form,
    Reading: reading_form,
    Aggregate: aggregate_form,
    Event: event_form,
    Alarm: alarm_form,
    DeadLetter: _dead_letter_form,
}
FROM_FORM: dict[str, Callable[[Form], Record | Aggregate]] = {
    "ReadingBatch": _reading_batch,
    "AggregateBatch": _aggregate_batch,
    "Reading": _reading,
    "Aggregate": _aggregate,
    "Event": _event,
    "Alarm": _alarm,
    "DeadLetter": _dead_letter,
}
