"""What the outside may ask a unit."""

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.health import Answer, Asked, Health, HealthServer, State, ask
from streamforge.metrics import Metrics


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sf-") as name:
        yield Path(name)


@pytest.fixture
def server(directory: Path) -> Iterator[HealthServer]:
    asked = Asked(
        unit="streamforge-sink-file@out",
        health=lambda: Health(state=State.DEGRADED, status="waiting for file", details={"kind": "sink"}),
        metrics=Metrics().text,
        is_ready=lambda: False,
        since_us=lambda: 5,
        routes=lambda: {"/barrier": lambda query: Answer(code=503, body=dict(query))},
    )
    server = HealthServer(asked, directory)
    server.start()
    yield server
    server.stop()


def test_health_says_state_status_and_details(server: HealthServer) -> None:
    assert json.loads(ask(server.path)) == {
        "unit": "streamforge-sink-file@out",
        "state": "DEGRADED",
        "status": "waiting for file",
        "since_us": 5,
        "details": {"kind": "sink"},
    }


def test_live_is_not_ready(server: HealthServer) -> None:
    assert json.loads(ask(server.path, "/health/live")) == {"live": True}
    assert json.loads(ask(server.path, "/health/ready")) == {"ready": False}


def test_metrics_are_prometheus_text(server: HealthServer) -> None:
    assert b"streamforge_records_in_total 0.0" in ask(server.path, "/metrics")


def test_a_component_may_answer_paths_of_its_own(server: HealthServer) -> None:
    assert json.loads(ask(server.path, "/barrier?since=5&word=a%20b")) == {"since": "5", "word": "a b"}
    assert json.loads(ask(server.path, "/barriers")) == {"error": "no such path"}


def test_only_the_group_may_ask(server: HealthServer) -> None:
    assert server.path.stat().st_mode & 0o777 == 0o660


def test_a_silent_client_does_not_keep_others_from_asking(server: HealthServer) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(server.path))
        assert ask(server.path, "/health/live")


def test_a_socket_left_by_a_killed_process_is_replaced(server: HealthServer, directory: Path) -> None:
    again = HealthServer(server._server.asked, directory)
    again.start()
    assert ask(again.path, "/health/live")
    again.stop()


def test_an_absent_unit_is_an_os_error(directory: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        ask(directory / "nothing.sock")
