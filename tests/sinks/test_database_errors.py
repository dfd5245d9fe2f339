"""What PostgreSQL says at log-in, in its own words, and who must act."""

from dataclasses import dataclass

import psycopg
import pytest

from streamforge.errors import ConfigError, NotConnected
from streamforge.sinks.database_errors import at_connect, at_setup


@dataclass(frozen=True)
class Place:
    address: str = "db:5432/plant"
    file: str = "sinks/postgres/plant.toml"


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ('FATAL:  password authentication failed for user "x"', "password"),
        ("connection failed: fe_sendauth: no password supplied", "password"),
        ('FATAL:  database "x" does not exist', "database"),
        ('FATAL:  role "x" does not exist', "user"),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.1", user "x", database "y"', "user"),
        ("server does not support SSL, but SSL was required", "sslmode"),
        ('root certificate file "/nowhere" does not exist', "sslrootcert"),
        ("SSL error: certificate verify failed", "sslrootcert"),
    ],
)
def test_the_operator_mends_what_the_configuration_says(message: str, key: str) -> None:
    error = at_connect(psycopg.OperationalError(message), Place())
    assert isinstance(error, ConfigError)
    assert (error.faults[0].file, error.faults[0].key) == ("sinks/postgres/plant.toml", key)
    assert "db:5432/plant" in error.faults[0].message


@pytest.mark.parametrize(
    "message",
    [
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  the database system is in recovery mode",
        "FATAL:  sorry, too many clients already",
        "connection to server failed: Connection refused",
        "failed to resolve host 'db': [Errno -3] Temporary failure in name resolution",
        "connection timeout expired",
        'FATAL:  file "base/5" does not exist',
    ],
)
def test_a_server_that_is_away_or_not_yet_there_is_waited_for(message: str) -> None:
    error = at_connect(psycopg.OperationalError(message), Place())
    assert isinstance(error, NotConnected)
    assert str(error) == f"db:5432/plant: {message}"


def test_a_standby_and_a_full_disk_are_waited_for() -> None:
    for one in (psycopg.errors.ReadOnlySqlTransaction(), psycopg.errors.DiskFull(), psycopg.errors.QueryCanceled()):
        assert isinstance(at_setup(one, Place()), NotConnected)
