"""Acknowledgements that wait for the disk, against a socket that answers as `streamforge-syncd` does."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge import barrier
from streamforge.bus import commit
from streamforge.bus.commit import ON_DISK_FIRST, GroupCommit
from streamforge.bus.producer import Producer
from streamforge.errors import NotConnected, StreamForgeError
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.health import Answer, Asked, Health, HealthServer, State
from streamforge.metrics import Metrics
from streamforge.progress import Partition

PATIENCE_SECONDS = 20.0
ALARMS, RAW = Partition("alarms.raw"), Partition("telemetry.raw")
REFUSED = "the disk refused to write: Input/output error"


class Syncd:
    """Its socket: each barrier is answered when `answers` is set, with an error while there is a `reason`."""

    def __init__(self) -> None:
        self.asked_ns: list[int] = []
        self.reason = ""
        self.answers = threading.Event()
        self.answers.set()

    def barrier(self, query: Mapping[str, str]) -> Answer:
        """What /barrier answers."""
        self.asked_ns.append(int(query["since"]))
        self.answers.wait(PATIENCE_SECONDS)
        if self.reason:
            return Answer(code=503, body={"error": self.reason})
        return Answer(code=200, body={"barrier_ns": 1})


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sf-") as name:
        yield Path(name)


@contextmanager
def answering(directory: Path) -> Iterator[Syncd]:
    """The unit is there."""
    made = Syncd()
    asked = Asked(
        unit=barrier.UNIT,
        health=lambda: Health(state=State.HEALTHY, status=""),
        metrics=Metrics().text,
        is_ready=lambda: True,
        since_us=lambda: 0,
        routes=lambda: {"/barrier": made.barrier},
    )
    server = HealthServer(asked, directory)
    server.start()
    yield made
    made.answers.set()
    server.stop()


@pytest.fixture
def syncd(directory: Path) -> Iterator[Syncd]:
    with answering(directory) as made:
        yield made


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_comes_while_a_barrier_is_under_way_shares_the_next_and_all_is_called_in_order(
    directory: Path, syncd: Syncd
) -> None:
    failures: list[StreamForgeError] = []
    called: list[int] = []
    group = GroupCommit(directory, failures.append)
    syncd.answers.clear()
    group.add(lambda: called.append(0))
    until(lambda: len(syncd.asked_ns) == 1)
    added_ns = time.monotonic_ns()
    for number in range(1, 50):
        group.add(lambda number=number: called.append(number))  # type: ignore[misc] # bound now
    assert not group.wait(0.1)
    assert (called, group.is_waiting) == ([], True)
    syncd.answers.set()
    assert group.wait(PATIENCE_SECONDS)
    assert called == list(range(50))
    assert len(syncd.asked_ns) == 2, "one barrier for all that had come"
    assert syncd.asked_ns[1] > added_ns, "which began after them"
    assert not group.is_waiting
    assert failures == []
    group.close()


def test_a_unit_that_starts_anew_is_waited_for(directory: Path) -> None:
    failures: list[StreamForgeError] = []
    group = GroupCommit(directory, failures.append)
    group.add(lambda: None)
    assert not group.wait(0.3)
    with answering(directory):
        assert group.wait(PATIENCE_SECONDS)
    assert failures == []
    group.close()


def test_where_no_barrier_comes_nothing_is_acknowledged_and_the_reason_is_said_once(
    directory: Path, syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "PATIENCE_SECONDS", 0.2)
    failures: list[StreamForgeError] = []
    called: list[int] = []
    group = GroupCommit(directory, failures.append)
    syncd.reason = REFUSED
    group.add(lambda: called.append(1))
    assert not group.wait(PATIENCE_SECONDS)
    syncd.reason = ""
    group.add(lambda: called.append(2))
    assert not group.wait(0.2)
    assert called == []
    (failure,) = failures
    assert isinstance(failure, NotConnected)
    assert REFUSED in str(failure)


def test_after_its_end_it_calls_nothing(directory: Path, syncd: Syncd) -> None:
    called: list[int] = []
    group = GroupCommit(directory, lambda _error: None)
    syncd.answers.clear()
    group.add(lambda: called.append(1))
    until(lambda: len(syncd.asked_ns) == 1)
    group.close()
    syncd.answers.set()
    assert not group.wait(0.2)
    assert called == []


def test_alarms_and_events_wait_for_the_disk_and_no_other_topic() -> None:
    assert {"alarms.raw", "alarms.clean", "events.raw", "events.clean"} == ON_DISK_FIRST


@pytest.mark.broker
def test_an_alarm_is_acknowledged_when_the_disk_has_it_and_a_reading_when_it_stands(
    broker: ThrowAwayBroker, directory: Path, syncd: Syncd
) -> None:
    producer = Producer(replace(broker.connection("admin"), barrier_directory=directory), (ALARMS.topic, RAW.topic))
    syncd.answers.clear()
    alarms: list[int] = []
    readings: list[int] = []
    producer.send(ALARMS, b"k", b"alarm", (), alarms.append)
    producer.send(RAW, b"k", b"reading", (), readings.append)
    until(lambda: bool(readings and syncd.asked_ns))
    assert not producer.flush(0.2)
    assert (alarms, producer.awaited) == ([], "the disk")
    assert producer.outstanding_bytes == len(b"kalarm")
    syncd.answers.set()
    assert producer.flush(PATIENCE_SECONDS)
    assert (len(alarms), producer.outstanding_bytes, producer.awaited) == (1, 0, "the broker")
    producer.close()


@pytest.mark.broker
def test_what_stands_already_can_be_waited_for_too(broker: ThrowAwayBroker, directory: Path, syncd: Syncd) -> None:
    producer = Producer(replace(broker.connection("admin"), barrier_directory=directory), (ALARMS.topic,))
    producer.settle(RAW.topic)
    assert producer.flush(0.0)
    syncd.answers.clear()
    producer.settle(ALARMS.topic)
    assert not producer.flush(0.1)
    syncd.answers.set()
    assert producer.flush(PATIENCE_SECONDS)
    producer.close()


@pytest.mark.broker
def test_a_disk_that_is_dead_fails_the_producer_with_its_reason_and_it_takes_no_more(
    broker: ThrowAwayBroker, directory: Path, syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "PATIENCE_SECONDS", 0.2)
    producer = Producer(replace(broker.connection("admin"), barrier_directory=directory), (ALARMS.topic,))
    syncd.reason = REFUSED
    alarms: list[int] = []
    producer.send(ALARMS, b"k", b"alarm", (), alarms.append)
    with pytest.raises(NotConnected, match=REFUSED):
        producer.flush(PATIENCE_SECONDS)
    with pytest.raises(NotConnected, match=REFUSED):
        producer.send(ALARMS, b"k", b"alarm", (), alarms.append)
    assert alarms == []
    producer.close()
