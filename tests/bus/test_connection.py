"""Who a client is, and what it says when the broker does not believe it."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.bus.admin import Admin
from streamforge.bus.connection import Connection
from streamforge.errors import ConfigError, Fatal, NotConnected
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port
from streamforge.incarnations import Incarnations


def test_the_environment_says_who_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kafka-password").write_text("secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("STREAMFORGE_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.delenv("STREAMFORGE_KAFKA_USER", raising=False)
    monkeypatch.delenv("STREAMFORGE_KAFKA_PASSWORD_FILE", raising=False)
    connection = Connection.from_environment("sink-file")
    assert connection == Connection(
        bootstrap="127.0.0.1:1", username="sink-file", password="secret", client_id="sink-file"
    )


def test_a_password_that_cannot_be_read_is_the_operators_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFORGE_KAFKA_PASSWORD_FILE", "/nonexistent/kafka-password")
    with pytest.raises(ConfigError, match="/nonexistent/kafka-password"):
        Connection.from_environment("web")


def test_its_text_hides_the_password() -> None:
    connection = Connection(bootstrap="127.0.0.1:1", username="web", password="secret", client_id="web")
    assert "secret" not in repr(connection)


@pytest.mark.broker
@pytest.mark.parametrize("change", [{"password": "wrong"}, {"username": "nobody"}], ids=["password", "user"])
def test_a_refused_password_is_a_clear_error_long_before_the_time_out(
    broker: ThrowAwayBroker, change: dict[str, Any]
) -> None:
    connection = replace(broker.connection("web"), **change)
    started = time.monotonic()
    with pytest.raises(ConfigError, match=f"refuses the password of Kafka user '{connection.username}'"):
        Admin(connection)
    assert time.monotonic() - started < 15


def test_a_broker_that_is_away_is_not_connected() -> None:
    connection = Connection(bootstrap=f"127.0.0.1:{free_port()}", username="web", password="x", client_id="web")
    with pytest.raises(NotConnected):
        Admin(connection, bootstrap_timeout_ms=500)


@pytest.mark.broker
def test_the_client_does_not_claim_that_passwords_travel_in_the_clear(
    broker: ThrowAwayBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), Admin(broker.connection("web")):
        assert "in the clear" not in caplog.text


def test_a_log_in_its_first_incarnation_has_no_list(tmp_path: Path) -> None:
    connection = Connection(
        bootstrap="b", username="web", password="p", client_id="web", incarnations_file=tmp_path / "incarnations.json"
    )
    assert connection.incarnations() == Incarnations()
    assert connection.incarnations_stamp() == 0


def test_a_damaged_list_of_incarnations_ends_the_unit_for_positions_would_mean_nothing(tmp_path: Path) -> None:
    file = tmp_path / "incarnations.json"
    file.write_text("{")
    connection = Connection(bootstrap="b", username="web", password="p", client_id="web", incarnations_file=file)
    with pytest.raises(Fatal, match=r"incarnations\.json"):
        connection.incarnations()
