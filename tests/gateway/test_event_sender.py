"""What waits in the spool reaches the log in order, once, and only then is gone."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.errors import NotConnected
from streamforge.gateway.event_sender import EventSender
from streamforge.gateway.event_spool import EventSpool
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.model import Event
from tests.broker import new_broker
from tests.chain import checker
from tests.gateway.test_event_spool import numbered

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ThrowAwayBroker]:
    with new_broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def spool(tmp_path: Path) -> EventSpool:
    directory = tmp_path / "spool"
    directory.mkdir()
    return EventSpool(directory)


def on_the_log(broker: ThrowAwayBroker) -> list[Event]:
    return [one for one in checker.records(broker.connection("admin"), "events.clean") if isinstance(one, Event)]


def send(broker: ThrowAwayBroker, spool: EventSpool, wait_seconds: float = 60.0) -> int:
    sender = EventSender(broker.connection("events"), spool)
    sender.run(wait_seconds=wait_seconds, linger_seconds=1.0)
    return sender.delivered


def test_events_reach_the_log_in_order_and_their_files_go(running: ThrowAwayBroker, spool: EventSpool) -> None:
    events = [numbered(number) for number in range(1, 31)]
    for event in events:
        spool.put(event)
    (spool.directory / "000000000000-damaged.json").write_text("{")
    assert send(running, spool) == 30
    assert on_the_log(running) == events
    assert [path.name for path in spool.directory.iterdir()] == [".damaged-000000000000-damaged.json"]


def test_what_comes_while_it_lingers_goes_with_the_rest(running: ThrowAwayBroker, spool: EventSpool) -> None:
    spool.put(numbered(1))
    late = threading.Timer(0.7, lambda: spool.put(numbered(2)))
    late.start()
    assert send(running, spool) == 2
    late.join()


def test_without_a_broker_nothing_goes_and_the_wait_ends(running: ThrowAwayBroker, spool: EventSpool) -> None:
    spool.put(numbered(1))
    running.kill()
    began = time.monotonic()
    with pytest.raises(NotConnected):
        send(running, spool, wait_seconds=1.0)
    assert time.monotonic() - began < 15.0
    assert len(spool.waiting()) == 1


def test_a_broker_that_comes_back_within_the_wait_gets_them_once(running: ThrowAwayBroker, spool: EventSpool) -> None:
    for number in (1, 2):
        spool.put(numbered(number))
    os.kill(running.pid, signal.SIGSTOP)
    waker = threading.Timer(3.0, os.kill, (running.pid, signal.SIGCONT))
    waker.start()
    assert send(running, spool) == 2
    waker.join()
    assert {event.event_id for event in on_the_log(running)} == {numbered(1).event_id, numbered(2).event_id}
    assert spool.waiting() == []
