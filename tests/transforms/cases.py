"""Case folders of transforms: config.toml, input.jsonl, expected.jsonl; a bug report becomes a folder."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamforge.model import AggregateBatch, Reading, ReadingBatch, Record, Source, names
from streamforge.progress import Partition, Stored
from streamforge.transforms.base import Emit

CASES = Path(__file__).parent.parent / "cases"


def folders(kind: str) -> list[Path]:
    """The case folders of one transform."""
    return sorted(path for path in (CASES / kind).iterdir() if path.is_dir())


def inputs(folder: Path, topic: str) -> Iterator[Stored]:
    """The records of input.jsonl as they would stand on the topic, from offset 0."""
    for offset, line in enumerate((folder / "input.jsonl").read_text().splitlines()):
        row = json.loads(line)
        record = Reading(**row["reading"]) if "reading" in row else batch(**row)
        yield Stored(partition=Partition(topic), offset=offset, kafka_time_us=0, record=record)


def expected(folder: Path) -> list[dict[str, Any]]:
    """What comes out, in order: topic and the fields of the record that matter to the case."""
    return [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]


def batch(
    *,
    values: dict[str, Any],
    at: float,
    asset: str = "pump1",
    qualities: list[int] | None = None,
    device_times: list[float] | None = None,
    seq: int = 0,
    count_before: int = 0,
    rejected: dict[str, int] | None = None,
) -> ReadingBatch:
    """A batch in short: times in seconds, no device_times = taken at `at`, numbers and null as values."""
    nan = float("nan")
    return ReadingBatch(
        source=Source(asset_id=asset, adapter_id="plant"),
        epoch=1,
        seq=seq,
        count_before=count_before,
        gateway_time_us=micros(at),
        names=names(tuple(values), ("",) * len(values), bytes(3 * isinstance(v, str) for v in values.values())),
        values=tuple(nan if v is None or isinstance(v, str) else float(v) for v in values.values()),
        others={i: v for i, v in enumerate(values.values()) if v is None or isinstance(v, str)},
        qualities=bytes(qualities or ()),
        device_times_us=tuple(map(micros, device_times if device_times is not None else [at])),
        rejected=rejected or {},
    )


def micros(seconds: float) -> int:
    """Seconds as integer microseconds."""
    return round(seconds * 1_000_000)


def rows(record: Record) -> dict[str, Any]:
    """A record as JSON sees it, with its columns by the names of the model."""
    if isinstance(record, ReadingBatch):
        return {
            "seq": record.seq,
            "count_before": record.count_before,
            "parameters": list(record.names.parameters),
            "values": [record.value(index) for index in range(len(record))],
            "qualities": list(record.qualities),
            "reasons": {str(index): reason for index, reason in record.reasons.items()},
            "rejected": dict(record.rejected),
        }
    assert isinstance(record, AggregateBatch)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(record).items()}


def agrees(emit: Emit, wanted: dict[str, Any]) -> dict[str, Any]:
    """The part of an output that the case speaks of; equal to `wanted` where the output is right."""
    seen = {"topic": emit.topic, **rows(emit.record)}
    return {key: seen.get(key) for key in wanted}
