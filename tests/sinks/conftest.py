"""A real PostgreSQL for the session, a database of its own for each test, and the sinks that write there."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from streamforge.sinks.postgres import PostgresSink
from streamforge.sinks.relational import RelationalConfig, RelationalSink
from streamforge.sinks.timescaledb import TimescaleDbSink
from tests.postgres import PASSWORD, Postgres
from tests.sinks.relational import Make

KINDS = {"postgres": PostgresSink, "timescaledb": TimescaleDbSink}
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One running server with the TimescaleDB extension at hand."""
    one = Postgres(tmp_path_factory.mktemp("postgres"))
    one.initialise()
    one.start()
    yield one
    one.destroy()


@pytest.fixture
def database(server: Postgres) -> str:
    """The name of a new, empty database."""
    name = f"plant_{next(_numbers)}"
    server.execute("postgres", f"CREATE DATABASE {name}")
    return name


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind in turn; a test of one kind overrides it."""
    return str(request.param)


@pytest.fixture
def make(server: Postgres, database: str, kind: str) -> Iterator[Make]:
    """Makes sinks of the kind that write to the database, and closes them."""
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
