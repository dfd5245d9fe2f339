"""`streamforge events` never makes a loop of the path unit that starts it, and loads no client for nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from streamforge.cli import events
from streamforge.errors import Fatal, NotConnected
from streamforge.gateway.event_spool import EventSpool, place
from streamforge.notify import Notifier
from tests.gateway.test_event_spool import STEP


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EventSpool:
    monkeypatch.setenv("STREAMFORGE_ROOT", str(tmp_path))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "none"))
    monkeypatch.delenv("STREAMFORGE_KAFKA_PASSWORD_FILE", raising=False)
    monkeypatch.setattr("streamforge.service.faults_path", lambda unit, _directory: tmp_path / f"{unit}.json")
    directory = place(tmp_path)
    directory.mkdir(parents=True)
    return EventSpool(directory)


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it rested, in seconds, without the wait."""
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def test_an_empty_spool_is_done_at_once(spool: EventSpool, rests: list[float]) -> None:
    assert events.run([]) == 0
    assert spool.waiting() == []
    assert rests == []


def test_a_broker_that_stays_away_is_no_failure(
    spool: EventSpool, rests: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: EventSpool) -> int:
        raise NotConnected("away")

    spool.put(STEP)
    monkeypatch.setattr(events, "_deliver", away)
    assert events.run([]) == 0
    assert len(spool.waiting()) == 1
    assert rests == []


def test_a_failure_rests_before_it_ends_so_that_the_next_start_is_a_minute_away(
    spool: EventSpool, rests: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: EventSpool) -> int:
        raise Fatal("refused")

    said: list[str] = []
    spool.put(STEP)
    monkeypatch.setattr(events, "_deliver", refused)
    monkeypatch.setattr(Notifier, "failing", lambda _, text: said.append(text))
    assert events.run([]) == 1
    assert rests == [events.REST_SECONDS]
    assert said == ["cannot deliver: refused"]  # so that nobody takes the minute for work


def test_a_password_that_is_not_there_rests_too(spool: EventSpool, rests: list[float]) -> None:
    spool.put(STEP)
    assert events.run([]) == 78
    assert rests == [events.REST_SECONDS]
    assert len(spool.waiting()) == 1


def test_what_only_puts_events_loads_no_kafka_client() -> None:
    code = "import sys, streamforge.gateway.event_spool, streamforge.cli.events; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not [name for name in done.stdout.split() if name.partition(".")[0] == "kafka"]
