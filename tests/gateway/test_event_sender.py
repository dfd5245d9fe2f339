"""What waits in the spool reaches the log in order, once, and only then is gone."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.errors import NotConnected
from streamforge.gateway.event_sender import EventSender
from streamforge.gateway.event_spool import EventSpool
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.model import Event
from tests.broker import new_broker
from tests.chain import checker
from tests.gateway.test_event_spool import STEP

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


@pytest.fixture
def spool(tmp_path: Path) -> EventSpool:
    directory = tmp_path / "spool"
    directory.mkdir()
    return EventSpool(directory)


def events(spool: EventSpool, count: int) -> list[Event]:
    """Events of this test alone: the broker is that of the whole session."""
    return [replace(STEP, event_id=f"{spool.directory}/{number}") for number in range(count)]


def on_the_log(broker: ThrowAwayBroker, spool: EventSpool) -> list[Event]:
    found = checker.records(broker.connection("admin"), "events.clean")
    return [one for one in found if isinstance(one, Event) and one.event_id.startswith(str(spool.directory))]


def send(broker: ThrowAwayBroker, spool: EventSpool, wait_seconds: float = 60.0) -> int:
    sender = EventSender(broker.connection("events"), spool)
    sender.run(wait_seconds=wait_seconds, linger_seconds=1.0)
    return sender.delivered


def test_events_reach_the_log_in_order_and_their_files_go(broker: ThrowAwayBroker, spool: EventSpool) -> None:
    put = events(spool, 30)
    for event in put:
        spool.put(event)
    (spool.directory / "000000000000-damaged.json").write_text("{")
    assert send(broker, spool) == 30
    assert on_the_log(broker, spool) == put
    assert [path.name for path in spool.directory.iterdir()] == [".damaged-000000000000-damaged.json"]


def test_what_comes_while_it_lingers_goes_with_the_rest(broker: ThrowAwayBroker, spool: EventSpool) -> None:
    first, second = events(spool, 2)
    spool.put(first)
    late = threading.Timer(0.7, spool.put, (second,))
    late.start()
    assert send(broker, spool) == 2
    late.join()


def test_without_a_broker_nothing_goes_and_the_wait_ends(tmp_path: Path, spool: EventSpool) -> None:
    spool.put(STEP)
    began = time.monotonic()
    with pytest.raises(NotConnected):
        send(new_broker(tmp_path / "never-started"), spool, wait_seconds=1.0)
    assert time.monotonic() - began < 15.0
    assert len(spool.waiting()) == 1


def test_a_broker_that_comes_back_within_the_wait_gets_them(broker: ThrowAwayBroker, spool: EventSpool) -> None:
    put = events(spool, 2)
    for event in put:
        spool.put(event)
    os.kill(broker.pid, signal.SIGSTOP)
    waker = threading.Timer(3.0, os.kill, (broker.pid, signal.SIGCONT))
    waker.start()
    assert send(broker, spool) == 2
    waker.join()
    assert {event.event_id for event in on_the_log(broker, spool)} == {event.event_id for event in put}
    assert spool.waiting() == []
