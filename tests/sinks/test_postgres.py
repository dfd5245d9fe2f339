"""PostgreSQL, real: what this target has of its own. What both databases share: test_relational.py."""

import time
from pathlib import Path

import pytest

from streamforge.config import load
from streamforge.errors import NotConnected
from streamforge.model import Topic
from streamforge.progress import Progress
from streamforge.sinks.relational import RelationalConfig
from tests.postgres import Postgres
from tests.sinks.cases import expected as case_expected
from tests.sinks.cases import folders, records
from tests.sinks.relational import Make, expected, seqs
from tests.sinks.samples import NOON_US, batch, progress, scans, stored

pytestmark = pytest.mark.broker
MIDNIGHT_US = NOON_US + 12 * 3_600_000_000


@pytest.fixture
def kind() -> str:
    return "postgres"


@pytest.mark.parametrize("folder", folders("postgres"), ids=lambda folder: folder.name)
def test_case(folder: Path, make: Make, server: Postgres, database: str) -> None:
    config = load(folder / "config.toml", RelationalConfig)
    sink = make(schema=config.schema, table_prefix=config.table_prefix, topics=config.topics)
    sink.connect()
    sink.write(records(folder), progress(1))
    rows = server.rows(database, (folder / "query.sql").read_text())
    assert [list(row) for row in rows] == case_expected(folder)


def test_a_first_start_makes_tables_and_holds_nothing(make: Make, server: Postgres, database: str) -> None:
    sink = make(topics=(Topic.TELEMETRY_CLEAN.value, Topic.TELEMETRY_1S.value, Topic.ALARMS_CLEAN.value))
    assert sink.connect() == Progress()
    found = server.rows(database, (
        "SELECT relname, relkind::text FROM pg_class"
        " WHERE relnamespace = 'streamforge'::regnamespace AND relkind IN ('r', 'p')"
    ))  # fmt: skip
    assert set(found) == {
        ("alarms", "r"), ("streamforge_progress", "r"), ("readings", "p"), ("aggregates_1s", "p"),
    }  # fmt: skip


def test_rows_over_midnight_stand_in_two_partitions(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    records = [batch(0, gateway_time_us=MIDNIGHT_US - 1), batch(1, gateway_time_us=MIDNIGHT_US)]
    sink.write(stored(records), progress(2))
    days = "SELECT tableoid::regclass::text, count(*) FROM streamforge.readings GROUP BY 1 ORDER BY 1"
    assert server.rows(database, days) == [
        ("streamforge.readings_20260101", 2), ("streamforge.readings_20260102", 2),
    ]  # fmt: skip


def test_a_new_day_does_not_wait_for_a_customers_query(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    with server.connect(database) as reading, reading.transaction():
        reading.execute("SELECT count(*) FROM streamforge.readings")
        sink.write(stored([batch(1, gateway_time_us=MIDNIGHT_US)], 1), progress(2))
    assert len(seqs(server, database)) == 4


def test_a_partition_that_was_dropped_is_made_again(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    server.execute(database, "DROP TABLE streamforge.readings_20260101")
    with pytest.raises(NotConnected):
        sink.write(scans(1, 1), progress(2))
    sink.connect()
    sink.write(scans(1, 1), progress(2))
    assert seqs(server, database) == expected(2)[2:]


def test_a_hundred_thousand_rows(make: Make, server: Postgres, database: str) -> None:
    sink = make(statement_timeout_ms=10_000)
    sink.connect()
    batches = [scans(first, 250, width=200) for first in range(0, 500, 250)]
    cpu, wall = time.process_time(), time.monotonic()
    for number, one in enumerate(batches):
        sink.write(one, progress(250 * (number + 1)))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    print(f"postgres: {cpu * 10:.2f} us CPU a row of ours, {100_000 / wall:.0f} rows/s")
    assert server.rows(database, "SELECT count(*) FROM streamforge.readings") == [(100_000,)]
