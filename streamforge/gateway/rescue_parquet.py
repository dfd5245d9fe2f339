"""What `streamforge rescue --format parquet` writes: tables of one shape each, a row a reading, window, event or alarm.

pyarrow is no part of the image (48 MB): it is imported here, when a writer is made, and nowhere else.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamforge.errors import Rejected
from streamforge.model import (
    Aggregate,
    AggregateBatch,
    Alarm,
    DeadLetter,
    Event,
    Reading,
    ReadingBatch,
    Value,
    aggregates,
    readings,
)
from streamforge.progress import Stored

Row = dict[str, Any]
_ROWS = 50_000
_EXACT = 2**53
PLACE = {"offset": "int64", "kafka_time": "time"}
SHAPES: dict[str, dict[str, str]] = {
    "readings": {
        "asset_id": "string", "parameter": "string", "value": "double", "value_text": "string", "unit": "string",
        "quality": "string", "reason": "string", "device_time": "time", "gateway_time": "time", "adapter_id": "string",
        "adapter_version": "string", "pipeline_id": "string", "hostname": "string", "epoch": "int64", "seq": "int64",
        "index": "int64",
    },
    "windows": {
        "asset_id": "string", "parameter": "string", "unit": "string", "window_start": "time", "window_end": "time",
        "revision": "int64", "avg": "double", "min": "double", "max": "double", "stddev": "double", "count": "int64",
        "p50": "double", "p95": "double", "p99": "double", "good": "int64", "suspect": "int64", "bad": "int64",
    },
    "events": {
        "event_id": "string", "asset_id": "string", "type": "string", "severity": "string", "time": "time",
        "message": "string", "source": "string", "details": "string",
    },
    "alarms": {
        "alarm_id": "string", "asset_id": "string", "type": "string", "severity": "string", "state": "string",
        "raised_at": "time", "acked_at": "time", "acked_by": "string", "cleared_at": "time", "message": "string",
        "value": "double", "threshold": "double", "unit": "string",
    },
    "dead_letters": {
        "letter_topic": "string", "letter_partition": "int64", "letter_offset": "int64", "letter_time": "time",
        "reason": "string", "payload": "binary",
    },
}  # fmt: skip
"""The columns of each shape after those of `PLACE`. Times are UTC in microseconds, null where unknown.

`value` is the number (booleans 0 and 1); where a double does not hold it exactly, `value_text` does, and `value` is
null for a text. `details` is JSON.
"""


class ParquetWriter:
    """Writes `<stem>.<shape>.parquet`, one for each shape that occurs. Raises ImportError without pyarrow."""

    def __init__(self, stem: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._arrow, self._parquet = pa, parquet
        self._stem = stem
        self._open: dict[str, tuple[Path, Any, list[Row]]] = {}

    def write(self, records: Sequence[Stored]) -> None:
        """Add the records' rows, all or none. Raises Rejected for a value that is no number, OSError."""
        found: list[tuple[str, list[Row]]] = []
        refused: dict[int, str] = {}
        for index, one in enumerate(records):
            try:
                found.append(shaped(one))
            except (ValueError, OverflowError) as error:
                refused[index] = str(error)
        if refused:
            raise Rejected(tuple(refused), f"no row of a table: {next(iter(refused.values()))}")
        for shape, rows in found:
            self._add(shape, rows)

    def close(self) -> tuple[Path, ...]:
        """End the files and wait until the disk has them."""
        for path, writer, waiting in self._open.values():
            self._flush(writer, waiting)
            writer.close()
            with path.open("rb") as written:
                os.fsync(written.fileno())
        return tuple(path for path, *_ in self._open.values())

    def _add(self, shape: str, rows: list[Row]) -> None:
        if shape not in self._open:
            path = self._stem.with_name(f"{self._stem.name}.{shape}.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[shape] = (path, self._parquet.ParquetWriter(path, self._schema(shape)), [])
        _, writer, waiting = self._open[shape]
        waiting += rows
        if len(waiting) >= _ROWS:
            self._flush(writer, waiting)

    def _flush(self, writer: Any, waiting: list[Row]) -> None:
        writer.write_table(self._arrow.Table.from_pylist(waiting, schema=writer.schema))
        waiting.clear()

    def _schema(self, shape: str) -> Any:
        arrow = self._arrow
        types = {
            "int64": arrow.int64(),
            "double": arrow.float64(),
            "string": arrow.string(),
            "binary": arrow.binary(),
            "time": arrow.timestamp("us", tz="UTC"),
        }
        return arrow.schema([(name, types[kind]) for name, kind in (PLACE | SHAPES[shape]).items()])


def shaped(stored: Stored) -> tuple[str, list[Row]]:
    """The shape of a record, and its rows. Raises ValueError, OverflowError where a value is none."""
    record: Any = stored.record
    shape, rows = _SHAPED[type(record)]
    place = {"offset": stored.offset, "kafka_time": stored.kafka_time_us or None}
    return shape, [row | place for row in rows(record)]


def _batch(batch: ReadingBatch) -> Iterator[Row]:
    for index, one in enumerate(readings(batch)):
        yield {**_reading(one), "epoch": batch.epoch, "seq": batch.seq, "index": index}


def _reading(one: Reading) -> Row:
    value, text = _value(one.value)
    return {**_times(asdict(one)), "value": value, "value_text": text, "quality": one.quality.name}


def _value(value: Value) -> tuple[float | None, str | None]:
    if value is None or isinstance(value, str):
        return None, value
    return float(value), str(value) if isinstance(value, int) and abs(value) > _EXACT else None


def _letter(letter: DeadLetter) -> Row:
    place = {f"letter_{name}": value for name, value in _times(asdict(letter)).items()}
    return {**place, "reason": letter.reason, "payload": letter.payload}


def _event(event: Event) -> Row:
    return {**_times(asdict(event)), "details": json.dumps(event.details)}


def _times(fields: Row) -> Row:
    """Fields named `x_us` become `x`, null where unknown."""
    return {
        name.removesuffix("_us"): (value or None) if name.endswith("_us") else value for name, value in fields.items()
    }


_SHAPED: dict[type, tuple[str, Callable[[Any], Iterator[Row]]]] = {
    ReadingBatch: ("readings", _batch),
    Reading: ("readings", lambda one: iter((_reading(one),))),
    AggregateBatch: ("windows", lambda batch: (_times(asdict(one)) for one in aggregates(batch))),
    Aggregate: ("windows", lambda one: iter((_times(asdict(one)),))),
    Event: ("events", lambda one: iter((_event(one),))),
    Alarm: ("alarms", lambda one: iter((_times(asdict(one)),))),
    DeadLetter: ("dead_letters", lambda one: iter((_letter(one),))),
}
