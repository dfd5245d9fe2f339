"""PostgreSQL and TimescaleDB, both real: nothing lost, nothing doubled, and errors that say who must act."""

import itertools
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from streamforge.errors import ConfigError, NotConnected, Rejected
from streamforge.model import AlarmState, Kind, Reading, Topic
from streamforge.progress import Partition, Progress, Stored
from streamforge.sinks.postgres import PostgresSink
from streamforge.sinks.relational import RelationalConfig, RelationalSink
from streamforge.sinks.timescaledb import TimescaleDbSink
from tests.postgres import PASSWORD, Postgres
from tests.sinks.samples import NOON_US, alarm, batch, event, progress, scans, stored, window

pytestmark = pytest.mark.broker

KINDS = {"postgres": PostgresSink, "timescaledb": TimescaleDbSink}
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    one = Postgres(tmp_path_factory.mktemp("postgres"))
    one.initialise()
    one.start()
    yield one
    one.destroy()


@pytest.fixture
def database(server: Postgres) -> str:
    name = f"plant_{next(_numbers)}"
    server.execute("postgres", f"CREATE DATABASE {name}")
    return name


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(server: Postgres, database: str, kind: str) -> Iterator[Any]:
    made: list[RelationalSink] = []

    def one(**keys: Any) -> RelationalSink:
        fields = {
            "host": "127.0.0.1", "port": server.port, "database": database, "user": "postgres", "password": PASSWORD,
            "connect_timeout_ms": 2_000, "statement_timeout_ms": 2_000,
        }  # fmt: skip
        made.append(KINDS[kind](RelationalConfig(**{**fields, **keys}), "plant"))
        return made[-1]

    yield one
    for sink in made:
        sink.close()


def seqs(server: Postgres, database: str) -> list[tuple[object, ...]]:
    return server.rows(database, 'SELECT seq, index, value FROM streamforge.readings ORDER BY seq, "index"')


def expected(count: int) -> list[tuple[object, ...]]:
    return [(seq, index, seq + index / 1000) for seq in range(count) for index in range(2)]


def test_a_first_start_makes_tables_and_holds_nothing(make: Any, server: Postgres, database: str, kind: str) -> None:
    sink = make(topics=(Topic.TELEMETRY_CLEAN.value, Topic.TELEMETRY_1S.value, Topic.ALARMS_CLEAN.value))
    assert sink.connect() == Progress()
    found = server.rows(database, "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'streamforge'::regnamespace AND relkind IN ('r', 'p')")  # noqa: E501
    time_table = "p" if kind == "postgres" else "r"
    assert set(found) == {
        ("alarms", "r"), ("streamforge_progress", "r"), ("readings", time_table), ("aggregates_1s", time_table),
    }  # fmt: skip


def test_time_tables_are_hypertables_where_the_extension_is(make: Any, server: Postgres, database: str, kind: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 2), progress(2))
    if kind == "timescaledb":
        names = server.rows(database, "SELECT hypertable_name, num_chunks FROM timescaledb_information.hypertables")
        assert names == [("readings", 1)]
    else:
        assert not server.rows(database, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")


def test_rows_and_progress_come_back(make: Any, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 3), progress(3))
    sink.close()
    assert make().connect() == progress(3)
    assert seqs(server, database) == expected(3)


def test_a_reading_has_all_its_columns(make: Any, server: Postgres, database: str) -> None:
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


def test_values_of_every_kind(make: Any, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    nan, inf = float("nan"), float("inf")
    one = batch(
        0, (nan, inf, 5.0, 1.0, nan, nan, nan, nan),
        kinds=bytes([Kind.DOUBLE, Kind.DOUBLE, Kind.LONG, Kind.BOOLEAN, Kind.STRING, Kind.ULONG, Kind.LONG, Kind.DOUBLE]),
        others={4: "idle \\ \t ü\0", 5: str(2**64 - 1), 6: -(2**60) - 1, 7: None},
    )  # fmt: skip
    sink.write(stored([one]), progress(1))
    assert server.rows(database, 'SELECT value, value_text FROM streamforge.readings ORDER BY "index"') == [
        (None, None), (inf, None), (5.0, None), (1.0, None), (None, "idle \\ \t ü"),
        (2.0**64, "18446744073709551615"), (-(2.0**60), str(-(2**60) - 1)), (None, None),
    ]  # fmt: skip


def test_nan_is_null_on_the_quick_path_too(make: Any, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(stored([batch(0, (float("nan"), 1.0))]), progress(1))
    assert server.rows(database, 'SELECT value FROM streamforge.readings ORDER BY "index"') == [(None,), (1.0,)]


def test_a_replay_gives_no_doubles(make: Any, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 3), progress(3))
    server.execute(database, "DELETE FROM streamforge.streamforge_progress")
    again = make()
    assert again.connect() == Progress()
    again.write(scans(0, 5), progress(5))
    assert seqs(server, database) == expected(5)


def test_a_lost_answer_to_commit_gives_no_doubles(make: Any, server: Postgres, database: str) -> None:
    """The database commits, then the connection is cut before the answer: what was stored must be told at connect."""
    sink = make()
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    sink.write(scans(1, 2), progress(3))
    sink._connection.close()  # as if the answer never came
    sink._progress = progress(1)
    with pytest.raises(NotConnected):
        sink.write(scans(1, 2), progress(3))
    assert sink.connect() == progress(3)
    sink.write(scans(1, 4), progress(5))
    assert seqs(server, database) == expected(5)


def test_killed_between_any_two_writes_nothing_is_lost_or_doubled(make: Any, server: Postgres, database: str) -> None:
    """The server ends our connection again and again while rows are written."""
    sink, stop = make(), threading.Event()

    def terminator() -> None:
        with server.connect(database) as connection:
            while not stop.wait(0.02):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'streamforge%'"
                )

    thread = threading.Thread(target=terminator)
    at, failures, deadline = 0, 0, time.monotonic() + 20
    sink.connect()
    thread.start()
    try:
        while (at < 300 or not failures) and time.monotonic() < deadline:
            try:
                sink.write(scans(at, 5), progress(at + 5))
                at += 5
            except NotConnected:
                failures += 1
                at = _reconnected(sink)
    finally:
        stop.set()
        thread.join()
    assert failures
    assert at >= 300
    assert seqs(server, database) == expected(at)


def _reconnected(sink: RelationalSink) -> int:
    while True:
        try:
            positions = sink.connect().positions
        except NotConnected:
            continue
        return next((position.next_offset for position in positions.values()), 0)


def test_a_server_that_stops_and_comes_back_ends_complete(make: Any, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 2), progress(2))
    server.stop()
    try:
        with pytest.raises(NotConnected, match=r"127\.0\.0\.1:"):
            sink.write(scans(2, 2), progress(4))
        with pytest.raises(NotConnected, match="refused"):
            sink.connect()
    finally:
        server.start()
    assert sink.connect() == progress(2)
    sink.write(scans(2, 2), progress(4))
    assert seqs(server, database) == expected(4)


def test_a_server_that_never_answers_is_given_up_in_time(make: Any, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    with server.connect(database) as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'streamforge%%' AND datname = %s", (database,)
        ).fetchone()
    server.signal(int(str(row[0] if row else 0)), signal.SIGSTOP)
    begin = time.monotonic()
    try:
        with pytest.raises(NotConnected):
            sink.write(scans(0, 1), progress(1))
    finally:
        server.signal(int(str(row[0] if row else 0)), signal.SIGCONT)
    assert time.monotonic() - begin < 4
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    assert seqs(server, database) == expected(1)


def test_an_unreachable_server_is_named_with_its_reason(make: Any) -> None:
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:1/.*refused"):
        make(port=1).connect()


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"password": "wrong"}, "password", "refuses this user and password"),
        ({"password": ""}, "password", "wants a password"),
        ({"database": "nowhere"}, "database", "does not exist"),
        ({"user": "nobody"}, "password", "refuses this user and password"),
        ({"sslmode": "require"}, "sslmode", "no TLS"),
    ],
)
def test_what_the_operator_must_mend_names_file_and_key(make: Any, kind: str, keys: Any, key: str, message: str) -> None:
    from streamforge.sinks.relational import SslMode

    if "sslmode" in keys:
        keys = {"sslmode": SslMode(keys["sslmode"])}
    with pytest.raises(ConfigError, match=message) as caught:
        make(**keys).connect()
    fault = caught.value.faults[0]
    assert (fault.file, fault.key) == (f"sinks/{kind}/plant.toml", key)


def test_a_user_without_the_right_to_create_is_told(make: Any, server: Postgres, database: str) -> None:
    role = f"reader_{database}"
    server.execute(database, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    with pytest.raises(ConfigError, match="lacks a right") as caught:
        make(user=role).connect()
    assert caught.value.faults[0].key == "user"


def test_tables_of_somebody_else_are_told(make: Any, server: Postgres, database: str) -> None:
    server.execute(database, "CREATE SCHEMA streamforge", "CREATE TABLE streamforge.streamforge_progress (x int)")
    with pytest.raises(ConfigError, match="not ours"):
        make().connect()


def test_a_password_changed_at_the_server_later_is_waited_for(make: Any, server: Postgres, database: str) -> None:
    """It has worked with this configuration: the gateway keeps trying, nobody has to visit it."""
    role = f"writer_{database}"
    server.execute(database, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", f"GRANT CREATE ON DATABASE {database} TO {role}")
    sink = make(user=role)
    sink.connect()
    server.execute(database, f"ALTER ROLE {role} PASSWORD 'other'")
    with pytest.raises(NotConnected, match="refuses this user"):
        sink.connect()
    server.execute(database, f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    assert sink.connect() == Progress()


def test_rows_over_midnight_stand_in_two_days(make: Any, server: Postgres, database: str, kind: str) -> None:
    midnight = NOON_US + 12 * 3_600_000_000
    sink = make()
    sink.connect()
    records = [batch(0, gateway_time_us=midnight - 1), batch(1, gateway_time_us=midnight)]
    sink.write(stored(records), progress(2))
    days = server.rows(database, "SELECT tableoid::regclass::text, count(*) FROM streamforge.readings GROUP BY 1 ORDER BY 1")
    assert [count for _, count in days] == [2, 2]
    if kind == "postgres":
        assert [name for name, _ in days] == ["streamforge.readings_20260101", "streamforge.readings_20260102"]


def test_a_partition_that_was_dropped_is_made_again(make: Any, server: Postgres, database: str, kind: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    if kind == "postgres":
        server.execute(database, "DROP TABLE streamforge.readings_20260101")
        with pytest.raises(NotConnected):
            sink.write(scans(1, 1), progress(2))
        sink.connect()
    sink.write(scans(1, 1), progress(2))
    assert seqs(server, database)[-2:] == expected(2)[2:]


def test_a_gateway_without_a_clock_and_devices_without_sense_are_stored(make: Any, server: Postgres, database: str) -> None:
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


def test_a_window_is_replaced_by_a_higher_revision_only(make: Any, server: Postgres, database: str) -> None:
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


def test_events_stand_once_and_alarms_where_they_stand_now(make: Any, server: Postgres, database: str) -> None:
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


def test_a_reading_of_a_third_party_is_named_by_its_place_in_the_log(make: Any, server: Postgres, database: str) -> None:
    from streamforge.model import Quality

    reading = Reading(asset_id="a", parameter="p", value=True, unit="", quality=Quality.GOOD, gateway_time_us=NOON_US)
    raw = Partition(Topic.TELEMETRY_RAW.value, 3)
    sink = make(topics=(raw.topic,))
    sink.connect()
    records = [Stored(partition=raw, offset=9, kafka_time_us=NOON_US, record=reading)]
    sink.write(records, Progress())
    sink.write(records, Progress())
    assert server.rows(database, "SELECT epoch, seq, index, value FROM streamforge.readings") == [(-1, 9, 3, 1.0)]


def test_records_that_the_database_refuses_are_found(make: Any, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    server.execute(database, "ALTER TABLE streamforge.readings ADD CONSTRAINT cold CHECK (value < 100)")
    records = [batch(number, (200.0 if number in {3, 6} else 1.0,)) for number in range(9)]
    with pytest.raises(Rejected, match="cold") as caught:
        sink.write(stored(records), progress(9))
    assert caught.value.indices == (3, 6)
    kept = [one for one in stored(records) if one.offset not in {3, 6}]
    sink.write(kept, progress(9))
    assert len(seqs(server, database)) == 7


def test_records_without_a_table_are_rejected_by_their_place(make: Any) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    records = scans(0, 2) + stored([event()], 2)
    with pytest.raises(Rejected, match="Event") as caught:
        sink.write(records, progress(3))
    assert caught.value.indices == (2,)


def test_a_hundred_thousand_rows(make: Any, server: Postgres, database: str, kind: str) -> None:
    sink = make(statement_timeout_ms=10_000)
    sink.connect()
    batches = [scans(first, 250, width=200) for first in range(0, 500, 250)]
    cpu, wall = time.process_time(), time.monotonic()
    for number, one in enumerate(batches):
        sink.write(one, progress(250 * (number + 1)))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    print(f"{kind}: {cpu * 10:.2f} us CPU a row of ours, {100_000 / wall:.0f} rows/s")
    assert server.rows(database, "SELECT count(*) FROM streamforge.readings") == [(100_000,)]


def test_server_errors_are_those_of_psycopg() -> None:
    """`lock_timeout` and `statement_timeout` must stay errors that the runner retries."""
    assert issubclass(psycopg.errors.QueryCanceled, psycopg.OperationalError)
    assert issubclass(psycopg.errors.LockNotAvailable, psycopg.OperationalError)
