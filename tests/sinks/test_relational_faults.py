"""PostgreSQL and TimescaleDB, both real: whatever is cut, nothing is lost or doubled; errors say who must act."""

import signal
import threading
import time
from typing import Any

import pytest

from streamforge.errors import ConfigError, NotConnected, Rejected
from streamforge.progress import Progress
from streamforge.sinks.relational import RelationalSink, SslMode
from tests.postgres import PASSWORD, Postgres
from tests.sinks.relational import Make, expected, seqs
from tests.sinks.samples import batch, event, progress, scans, stored
from tests.sinks.swallower import Swallower

pytestmark = pytest.mark.broker


def test_a_lost_answer_to_commit_gives_no_doubles(make: Make, server: Postgres, database: str) -> None:
    """The database commits and the line is cut before the answer: what was stored must be told at connect."""
    with Swallower(server.port) as between:
        sink = make(port=between.port)
        sink.connect()
        sink.write(scans(0, 1), progress(1))
        between.is_armed = True
        with pytest.raises(NotConnected):
            sink.write(scans(1, 2), progress(3))
        assert sink.connect() == progress(3)
        sink.write(scans(1, 4), progress(5))
        sink.close()
    assert seqs(server, database) == expected(5)


def test_killed_between_any_two_writes_nothing_is_lost_or_doubled(make: Make, server: Postgres, database: str) -> None:
    """The server ends our connection again and again while rows are written."""
    sink, stop = make(), threading.Event()

    def terminator() -> None:
        with server.connect(database) as connection:
            while not stop.wait(0.2):
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


def test_a_server_that_stops_and_comes_back_ends_complete(make: Make, server: Postgres, database: str) -> None:
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


def test_a_server_that_never_answers_is_given_up_in_time(make: Make, server: Postgres, database: str) -> None:
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


def test_an_unreachable_server_is_named_with_its_reason(make: Make) -> None:
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
def test_what_the_operator_must_mend_names_file_and_key(
    make: Make, kind: str, keys: Any, key: str, message: str
) -> None:
    if "sslmode" in keys:
        keys = {"sslmode": SslMode(keys["sslmode"])}
    with pytest.raises(ConfigError, match=message) as caught:
        make(**keys).connect()
    fault = caught.value.faults[0]
    assert (fault.file, fault.key) == (f"sinks/{kind}/plant.toml", key)


def test_a_user_without_the_right_to_create_is_told(make: Make, server: Postgres, database: str) -> None:
    role = f"reader_{database}"
    server.execute(database, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    with pytest.raises(ConfigError, match="lacks a right") as caught:
        make(user=role).connect()
    assert caught.value.faults[0].key == "user"


def test_tables_of_somebody_else_are_told(make: Make, server: Postgres, database: str) -> None:
    server.execute(database, "CREATE SCHEMA streamforge", "CREATE TABLE streamforge.streamforge_progress (x int)")
    with pytest.raises(ConfigError, match="not ours"):
        make().connect()


def test_a_password_changed_at_the_server_later_is_waited_for(make: Make, server: Postgres, database: str) -> None:
    """It has worked with this configuration: the gateway keeps trying, nobody has to visit it."""
    role = f"writer_{database}"
    server.execute(
        database, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", f"GRANT CREATE ON DATABASE {database} TO {role}"
    )
    sink = make(user=role)
    sink.connect()
    server.execute(database, f"ALTER ROLE {role} PASSWORD 'other'")
    with pytest.raises(NotConnected, match="refuses this user"):
        sink.connect()
    server.execute(database, f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    assert sink.connect() == Progress()


def test_records_that_the_database_refuses_are_found(make: Make, server: Postgres, database: str) -> None:
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


def test_records_without_a_table_are_rejected_by_their_place(make: Make) -> None:
    sink = make()
    sink.connect()
    sink.write(scans(0, 1), progress(1))
    records = scans(0, 2) + stored([event()], 2)
    with pytest.raises(Rejected, match="Event") as caught:
        sink.write(records, progress(3))
    assert caught.value.indices == (2,)
