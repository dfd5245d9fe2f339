"""TimescaleDB, real: what this target has of its own. What both databases share: test_relational.py."""

import time
from pathlib import Path

import pytest

from streamforge.config import load
from streamforge.model import Topic
from streamforge.progress import Progress
from streamforge.sinks.relational import RelationalConfig
from tests.postgres import PASSWORD, Postgres
from tests.sinks.cases import expected as case_expected
from tests.sinks.cases import folders, records
from tests.sinks.relational import Make, expected, seqs
from tests.sinks.samples import NOON_US, batch, progress, scans, stored

pytestmark = pytest.mark.broker
MIDNIGHT_US = NOON_US + 12 * 3_600_000_000


@pytest.fixture
def kind() -> str:
    return "timescaledb"


@pytest.mark.parametrize("folder", folders("timescaledb"), ids=lambda folder: folder.name)
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
        ("alarms", "r"), ("streamforge_progress", "r"), ("readings", "r"), ("aggregates_1s", "r"),
    }  # fmt: skip


def test_time_tables_are_hypertables_with_a_chunk_a_day(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    records = [batch(0, gateway_time_us=MIDNIGHT_US - 1), batch(1, gateway_time_us=MIDNIGHT_US)]
    sink.write(stored(records), progress(2))
    tables = "SELECT hypertable_name, num_chunks FROM timescaledb_information.hypertables"
    assert server.rows(database, tables) == [("readings", 2)]


def test_chunks_that_were_dropped_are_made_again(make: Make, server: Postgres, database: str) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    server.execute(database, "SELECT drop_chunks('streamforge.readings', now() + INTERVAL '100 years')")
    sink.write(scans(1, 1), progress(2))
    assert seqs(server, database) == expected(2)[2:]


def test_without_the_right_to_make_the_extension_partitions_serve(make: Make, server: Postgres, database: str) -> None:
    role = f"plain_{database}"
    server.execute(
        database, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", f"GRANT CREATE ON DATABASE {database} TO {role}",
    )  # fmt: skip
    sink = make(user=role)
    sink.connect()
    sink.write(scans(0, 2), progress(2))
    assert seqs(server, database) == expected(2)


def test_a_hundred_thousand_rows(make: Make, server: Postgres, database: str) -> None:
    sink = make(statement_timeout_ms=10_000)
    sink.connect()
    batches = [scans(first, 250, width=200) for first in range(0, 500, 250)]
    cpu, wall = time.process_time(), time.monotonic()
    for number, one in enumerate(batches):
        sink.write(one, progress(250 * (number + 1)))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    print(f"timescaledb: {cpu * 10:.2f} us CPU a row of ours, {100_000 / wall:.0f} rows/s")
    assert server.rows(database, "SELECT count(*) FROM streamforge.readings") == [(100_000,)]
