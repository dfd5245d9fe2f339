"""PostgreSQL and TimescaleDB, both real: what stands in the tables, once."""

import pytest

from streamforge.model import AlarmState, Kind, Quality, Reading, Topic
from streamforge.progress import Partition, Progress, Stored
from tests.postgres import Postgres
from tests.sinks.relational import Make, expected, seqs
from tests.sinks.samples import NOON_US, alarm, batch, event, progress, scans, stored, window

pytestmark = pytest.mark.broker


def test_rows_and_progress_come_back(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 3), progress(3))
    sink.close()
    assert make().connect() == progress(3)
    assert seqs(server, database) == expected(3)


def test_a_reading_has_all_its_columns(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    odd = batch(7, (1.5,), device_times_us=(NOON_US - 2_000_000,), qualities=b"\x01", reasons={0: "a\tb\\c\nd\0"})
    sink.write(stored([odd]), progress(1))
    row = server.rows(database, (
        "SELECT asset_id, parameter, unit, value, quality, reason, time = device_time, gateway_time - device_time,"
        " kafka_time - gateway_time, adapter_id, adapter_version, pipeline_id, hostname, epoch, seq, index"
        " FROM streamforge.readings"
    ))[0]  # fmt: skip
    assert [str(column) for column in row] == [
        "pump-1", "p0", "bar", "1.5", "SUSPECT", "a\tb\\c\nd", "True", "0:00:02", "0:00:00.001000", "plant", "0.1.0",
        "main", "gateway-1", "1", "7", "0",
    ]  # fmt: skip


def test_values_of_every_kind(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    nan, inf = float("nan"), float("inf")
    one = batch(
        0, (nan, inf, 5.0, 1.0, nan, nan, nan, nan),
        kinds=bytes((Kind.DOUBLE, Kind.DOUBLE, Kind.LONG, Kind.BOOLEAN, Kind.STRING, Kind.ULONG, Kind.LONG, 0)),
        others={4: "idle \\ \t ü\0", 5: str(2**64 - 1), 6: -(2**60) - 1, 7: None},
    )  # fmt: skip
    sink.write(stored([one]), progress(1))
    assert server.rows(database, 'SELECT value, value_text FROM streamforge.readings ORDER BY "index"') == [
        (None, None), (inf, None), (5.0, None), (1.0, None), (None, "idle \\ \t ü"),
        (2.0**64, "18446744073709551615"), (-(2.0**60), str(-(2**60) - 1)), (None, None),
    ]  # fmt: skip


def test_nan_is_null_on_the_quick_path_too(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(stored([batch(0, (float("nan"), 1.0))]), progress(1))
    assert server.rows(database, 'SELECT value FROM streamforge.readings ORDER BY "index"') == [(None,), (1.0,)]


def test_a_replay_gives_no_doubles(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 3), progress(3))
    server.execute(database, "DELETE FROM streamforge.streamforge_progress")
    again = make()
    assert again.connect() == Progress()
    again.write(scans(0, 5), progress(5))
    assert seqs(server, database) == expected(5)


def test_a_gateway_without_a_clock_and_devices_without_sense_are_stored(
    make: Make, server: Postgres, database: str
) -> None:
    sink = make()
    sink.connect()
    far = 253_402_300_800_000_000 * 30
    records = [
        batch(0, (1.0,), gateway_time_us=5_000_000),
        batch(1, (1.0,), gateway_time_us=0, device_times_us=(far,)),
        batch(2, (1.0,), device_times_us=(far,)),
        batch(3, (1.0,), device_times_us=(5,)),
    ]
    sink.write(stored(records), progress(4))
    times = server.rows(database, "SELECT extract(year FROM time)::int FROM streamforge.readings ORDER BY seq")
    assert times == [(1970,), (1970,), (2026,), (2026,)]


def test_a_window_is_replaced_by_a_higher_revision_only(make: Make, server: Postgres, database: str) -> None:
    sink = make(topics=(Topic.TELEMETRY_1S.value,))
    sink.connect()
    seconds = Partition(Topic.TELEMETRY_1S.value)
    offset = 0
    for revisions, held in (((0, 2, 1), 12.0), ((1,), 12.0), ((3,), 13.0)):
        records = [window(revision, 10.0 + revision) for revision in revisions]
        offset += len(records)
        sink.write(stored(records, offset - len(records), partition=seconds), progress(offset, partition=seconds))
        rows = server.rows(database, "SELECT avg, count, bad_samples FROM streamforge.aggregates_1s ORDER BY parameter")
        assert rows == [(held, 10, 0), (None, 0, 4)]


def test_events_stand_once_and_alarms_where_they_stand_now(make: Make, server: Postgres, database: str) -> None:
    topics = (Topic.EVENTS_CLEAN.value, Topic.ALARMS_CLEAN.value)
    sink = make(topics=topics)
    sink.connect()
    records = [*stored([event(1), event(1), event(2)], partition=Partition(topics[0]))]
    records += stored([alarm(), alarm(AlarmState.CLEARED, cleared_at_us=NOON_US + 1)], partition=Partition(topics[1]))
    sink.write(records, progress(3, partition=Partition(topics[0])))
    assert server.rows(database, "SELECT event_id, details->>'to' FROM streamforge.events ORDER BY 1") == [
        ("event-1", "7"), ("event-2", "7"),
    ]  # fmt: skip
    assert server.rows(database, "SELECT state, value FROM streamforge.alarms") == [("CLEARED", 9.5)]


def test_a_reading_of_a_third_party_is_named_by_its_place_in_the_log(
    make: Make, server: Postgres, database: str
) -> None:
    reading = Reading(asset_id="a", parameter="p", value=True, unit="", quality=Quality.GOOD, gateway_time_us=NOON_US)
    clean = Partition(Topic.TELEMETRY_CLEAN.value, 3)
    sink = make()
    sink.connect()
    records = [Stored(partition=clean, offset=9, kafka_time_us=NOON_US, record=reading)]
    sink.write(records, Progress())
    sink.write(records, Progress())
    assert server.rows(database, "SELECT epoch, seq, index, value FROM streamforge.readings") == [(-1, 9, 3, 1.0)]
