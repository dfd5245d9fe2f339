"""Waiting for the disk: the client, against a socket that answers as the unit does."""

import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamforge import barrier
from streamforge.errors import NotConnected
from streamforge.health import Answer, Asked, Health, HealthServer, Route, State
from streamforge.metrics import Metrics


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sf-") as name:
        yield Path(name)


@contextmanager
def unit(directory: Path, route: Route) -> Iterator[None]:
    """A unit of that name whose /barrier answers so."""
    asked = Asked(
        unit=barrier.UNIT,
        health=lambda: Health(state=State.HEALTHY, status=""),
        metrics=Metrics().text,
        is_ready=lambda: True,
        since_us=lambda: 0,
        routes=lambda: {"/barrier": route},
    )
    server = HealthServer(asked, directory)
    server.start()
    try:
        yield
    finally:
        server.stop()


def test_it_asks_since_when_and_returns_at_the_barrier(directory: Path) -> None:
    asked: list[Mapping[str, str]] = []

    def route(query: Mapping[str, str]) -> Answer:
        asked.append(query)
        return Answer(code=200, body={"barrier_ns": 18})

    with unit(directory, route):
        barrier.wait(17, 5.0, directory)
    assert asked == [{"since": "17"}]


def test_the_reason_of_a_refusal_reaches_the_caller(directory: Path) -> None:
    refusal = Answer(code=503, body={"error": "the disk refused to write"})
    with unit(directory, lambda _: refusal), pytest.raises(NotConnected, match="no disk barrier: the disk refused"):
        barrier.wait(17, 5.0, directory)


def test_a_disk_that_does_not_answer_in_time_is_not_waited_for(directory: Path) -> None:
    release = threading.Event()

    def hang(_: Mapping[str, str]) -> Answer:
        release.wait(30)
        return Answer(code=503, body={})

    with unit(directory, hang):
        with pytest.raises(NotConnected, match=r"no disk barrier within 0\.2 s"):
            barrier.wait(17, 0.2, directory)
        release.set()


def test_a_unit_that_is_not_there_is_no_barrier(directory: Path) -> None:
    with pytest.raises(NotConnected, match="No such file"):
        barrier.wait(17, 5.0, directory)


def test_an_answer_that_is_not_understood_is_no_barrier(directory: Path) -> None:
    with unit(directory, lambda _: Answer(code=200, body={})), pytest.raises(NotConnected, match="not understood"):
        barrier.wait(17, 5.0, directory)
