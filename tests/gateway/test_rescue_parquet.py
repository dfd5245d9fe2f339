"""The same records as tables. Skipped where pyarrow is not installed, as in the image."""

from pathlib import Path
from typing import Any

import pytest

from streamforge.gateway.pulled_disk import folders, logs
from streamforge.gateway.rescue import rescue
from streamforge.gateway.rescue_parquet import SHAPES, ParquetWriter, shaped
from streamforge.model import AggregateBatch, Kind, ReadingBatch, Source, names
from streamforge.progress import Partition, Stored
from tests.gateway import pulled

WINDOW = AggregateBatch(
    asset_id="pump_1", window_start_us=1_000_000, window_end_us=2_000_000, revision=0, parameters=("a",),
    units=("bar",), avg=(1.0,), min=(0.0,), max=(2.0,), stddev=(0.5,), count=(3,), p50=(1.0,), p95=(2.0,), p99=(2.0,),
    good=(3,), suspect=(0,), bad=(0,), sketches=(b"",),
)  # fmt: skip
ODD = ReadingBatch(
    source=Source(asset_id="pump_1", adapter_id="plant"),
    epoch=1,
    seq=0,
    count_before=0,
    gateway_time_us=5,
    names=names(("big", "null", "flag"), ("", "", ""), bytes([Kind.ULONG, Kind.DOUBLE, Kind.BOOLEAN])),
    values=(float("nan"), float("nan"), 1.0),
    others={0: str(2**63), 1: None},
)


def at(record: Any) -> Stored:
    return Stored(partition=Partition("t"), offset=1, kafka_time_us=9, record=record)


@pytest.mark.parametrize("record", [WINDOW, ODD, pulled.EVENT, pulled.ALARM, pulled.LETTER])
def test_rows_fill_the_columns_of_their_shape(record: Any) -> None:
    shape, rows = shaped(at(record))
    assert rows
    assert all(SHAPES[shape].keys() <= row.keys() for row in rows)


def test_numbers_that_a_double_does_not_hold_are_text_beside_it() -> None:
    _, rows = shaped(at(ODD))
    assert [(row["value"], row["value_text"]) for row in rows] == [(2.0**63, str(2**63)), (None, None), (1.0, None)]


def test_the_tables_hold_what_the_disk_held(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    pulled.make(tmp_path / "kafka")
    found: dict[str, Any] = {}
    for log in logs(tmp_path):
        for folder in folders(log):
            done = rescue(folder, ParquetWriter(tmp_path / "to" / folder.stem))
            found |= {str(path.relative_to(tmp_path / "to")): parquet.read_table(path) for path in done.files}
    assert {name: table.num_rows for name, table in found.items()} == {
        "alarms.clean-0.alarms.parquet": 1,
        "dlq.telemetry-0.dead_letters.parquet": 4,
        "events.clean-0.events.parquet": 1,
        "telemetry.clean-0-stray.readings.parquet": 3,
        "telemetry.raw-0.readings.parquet": 54,
        "aside-3/telemetry.raw-0.readings.parquet": 18,
    }
    raw = found["telemetry.raw-0.readings.parquet"].to_pylist()
    assert [(row["offset"], row["parameter"], row["value"], row["value_text"]) for row in raw[:3]] == [
        (0, "pressure", 1.5, None),
        (0, "running", 1.0, None),
        (0, "serial", None, "A-100"),
    ]
    assert raw[0]["kafka_time"].isoformat() == "2026-09-21T14:13:20+00:00"
    assert found["dlq.telemetry-0.dead_letters.parquet"].to_pylist()[0]["payload"] == b"\xff\x00"
