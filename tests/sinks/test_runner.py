"""The sink's runner against a real broker, with a target that does what the test wants."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.codec import encode
from streamforge.errors import NotConnected, Rejected
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.incarnations import Incarnations
from streamforge.model import DeadLetter, ReadingBatch
from streamforge.progress import CountKey, Partition, Position, Progress, Stored
from streamforge.sinks.base import BatchRule, Sink, SinkConfig
from streamforge.sinks.runner import SinkComponent
from tests.broker import new_broker
from tests.chain import checker
from tests.samples import batch

pytestmark = pytest.mark.broker
CLEAN = Partition("telemetry.clean")


class Target(Sink[SinkConfig]):
    """A database of one list. `trouble` is asked before each write and may raise; `lose_answer` commits, then fails."""

    Config = SinkConfig

    def __init__(self, rule: BatchRule) -> None:
        super().__init__(SinkConfig(batch=rule), "test")
        self.rows: list[int] = []
        self.writes: list[int] = []
        self.progress = Progress()
        self.connects = 0
        self.trouble: Callable[[Sequence[Stored]], None] = lambda _batch: None
        self.lose_answer = False

    def connect(self) -> Progress:
        self.connects += 1
        return self.progress

    def write(self, batch: Sequence[Stored], progress: Progress) -> None:
        self.trouble(batch)
        self.rows += [stored.record.seq for stored in batch if isinstance(stored.record, ReadingBatch)]
        self.writes.append(len(batch))
        self.progress = progress
        if self.lose_answer:
            self.lose_answer = False
            raise NotConnected("the answer to COMMIT was lost")

    def close(self) -> None:
        pass


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ThrowAwayBroker]:
    """A broker whose topics are empty."""
    with new_broker(tmp_path) as broker:
        yield broker


def write(connection: Connection, count: int, first: int = 1) -> None:
    """Put clean batches of one reading each on the log."""
    producer = Producer(connection, (CLEAN.topic,))
    for seq in range(first, first + count):
        producer.send(CLEAN, b"p", encode(batch(seq, count_before=seq - 1, values=(1.0,))), (), lambda _offset: None)
    producer.flush(5)
    producer.close()


def step_until(component: SinkComponent, is_so: Callable[[], bool], most_steps: int = 200) -> None:
    """Let the runner work until it is so."""
    stop = threading.Event()
    for _ in range(most_steps):
        if is_so():
            return
        component.step(stop)
    raise AssertionError(component.status())


def unit(broker: ThrowAwayBroker, rule: BatchRule | None = None) -> tuple[SinkComponent, Target]:
    """A runner and its target."""
    target = Target(rule or BatchRule(age_ms=50))
    return SinkComponent(target, "test", connection=broker.connection("sink-file")), target


def test_everything_is_delivered_once_and_in_order(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 20)
    component, target = unit(running)
    step_until(component, lambda: len(target.rows) == 20)
    component.close()
    assert target.rows == list(range(1, 21))
    assert target.progress.positions[CLEAN].next_offset == 20
    assert target.progress.counts[CountKey("plant", 1)].delivered == 20


def test_a_batch_is_cut_by_the_number_of_readings(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 30)
    component, target = unit(running, BatchRule(readings=10, age_ms=60_000))
    step_until(component, lambda: len(target.rows) == 30)
    assert all(size >= 10 for size in target.writes)
    component.close()


def test_a_batch_waits_no_longer_than_its_age(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 1)
    component, target = unit(running, BatchRule(age_ms=100))
    step_until(component, lambda: target.rows == [1])
    component.close()


def test_a_target_that_fails_is_tried_again_and_nothing_is_doubled(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 5)
    component, target = unit(running)
    failures = iter([NotConnected("away"), ConnectionResetError("reset")])

    def trouble(_batch: Sequence[Stored]) -> None:
        for failure in failures:
            raise failure

    target.trouble = trouble
    step_until(component, lambda: len(target.rows) == 5)
    assert target.rows == [1, 2, 3, 4, 5]
    assert target.connects == 3
    component.close()


def test_a_commit_whose_answer_was_lost_is_seen_at_the_next_connect(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 5)
    component, target = unit(running)
    target.lose_answer = True
    step_until(component, lambda: target.connects == 2 and not component.status().startswith("waiting"))
    write(running.connection("admin"), 2, first=6)
    step_until(component, lambda: len(target.rows) == 7)
    assert target.rows == [1, 2, 3, 4, 5, 6, 7]
    component.close()


def test_after_five_failures_the_target_is_left_alone_and_the_backlog_shown(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 5)
    component, target = unit(running)
    step_until(component, lambda: len(target.rows) == 5)

    def trouble(_batch: Sequence[Stored]) -> None:
        raise NotConnected("db.local:5432: connection refused")

    target.trouble = trouble
    write(running.connection("admin"), 3, first=6)
    step_until(component, lambda: component.health().details["breaker"] == "open")
    tries = target.connects
    step_until(component, lambda: component.health().details["lag_records"] == 3)
    assert target.connects == tries
    assert component.status() == "waiting for test: db.local:5432: connection refused"
    assert component.health().state == "DEGRADED"
    component.close()


def test_refused_records_go_to_the_dead_letters_and_count_as_rejected(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 6)
    component, target = unit(running)

    def trouble(taken: Sequence[Stored]) -> None:
        odd = [
            i for i, stored in enumerate(taken) if isinstance(stored.record, ReadingBatch) and stored.record.seq == 6
        ]
        if odd:
            raise Rejected(odd, "no NUL in a text")

    target.trouble = trouble
    step_until(component, lambda: CLEAN in target.progress.positions)
    component.close()
    assert target.rows == [1, 2, 3, 4, 5]
    assert target.progress.positions[CLEAN].next_offset == 6, "the refused record is not met again"
    assert target.progress.counts[CountKey("plant", 1)].rejected == 1
    letters = checker.records(running.connection("admin"), "dlq.telemetry")
    assert [letter.reason for letter in letters if isinstance(letter, DeadLetter)] == ["test: no NUL in a text"]


def test_a_new_incarnation_of_the_log_sends_the_reader_back_to_what_outlived_it(
    running: ThrowAwayBroker, tmp_path: Path
) -> None:
    write(running.connection("admin"), 10)
    target = Target(BatchRule(age_ms=50))
    file = tmp_path / "incarnations.json"
    connection = replace(running.connection("sink-file"), incarnations_file=file)
    component = SinkComponent(target, "test", connection=connection)
    step_until(component, lambda: len(target.rows) == 10)
    file.write_text(Incarnations().opening(opened_at_us=1, reason="power cut", firsts={CLEAN: 7}).to_json())
    write(running.connection("admin"), 2, first=11)
    step_until(component, lambda: len(target.rows) == 12)
    component.close()
    assert target.rows[10:] == [11, 12], "7 to 9 were read again, and are those that were delivered before"
    assert target.progress.positions[CLEAN] == Position(next_offset=12, incarnation=2)
    assert target.progress.counts[CountKey("plant", 1)].delivered == 12


def test_draining_writes_what_was_read(running: ThrowAwayBroker) -> None:
    write(running.connection("admin"), 4)
    component, target = unit(running, BatchRule(age_ms=60_000))
    stop = threading.Event()
    while component.health().details["lag_records"] != 4:
        component.step(stop)
    component.step(stop)
    component.drain(0.0)
    component.close()
    assert target.rows == [1, 2, 3, 4]
