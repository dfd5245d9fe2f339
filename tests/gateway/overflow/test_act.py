"""The helper process: first said, then deleted, and repeated under the same id where it was cut short."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.bus.admin import Admin
from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.codec import encode
from streamforge.errors import NotConnected, StreamForgeError
from streamforge.gateway.overflow.act import Actor
from streamforge.gateway.overflow.order import PENDING, Done, Order
from streamforge.gateway.overflow.plan import Cut
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.model import Alarm, Event
from streamforge.progress import Partition
from tests.broker import new_broker
from tests.chain import checker
from tests.samples import batch

pytestmark = pytest.mark.broker
RAW, CLEAN = Partition("telemetry.raw"), Partition("telemetry.clean")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowAwayBroker]:
    """Thirty records in each of two topics."""
    with new_broker(tmp_path_factory.mktemp("broker")) as broker:
        producer = Producer(broker.connection("admin"), (RAW.topic, CLEAN.topic))
        for place in (RAW, CLEAN):
            for seq in range(1, 31):
                producer.send(place, b"pump_1", encode(batch(seq)), (), lambda _offset: None)
        assert producer.flush(10)
        producer.close()
        yield broker


def start(broker: ThrowAwayBroker, place: Partition) -> int:
    reader = Reader(broker.connection("admin"))
    try:
        return reader.starts([place])[place]
    finally:
        reader.close()


def events(broker: ThrowAwayBroker, topic: str) -> list[Event]:
    found = checker.records(broker.connection("admin"), "events.clean")
    return [one for one in found if isinstance(one, Event) and one.details["topic"] == topic]


def order(place: Partition, end: int, **held: int) -> Order:
    return Order(cuts=(Cut(place=place, end=end, size_bytes=1000, held=held),), tier="evict")


def test_the_event_tells_what_went_and_who_lacks_it(running: ThrowAwayBroker, tmp_path: Path) -> None:
    done = Actor(running.connection("overflow"), tmp_path).act(order(RAW, 10, slow=4, fast=30))
    assert done.starts == {RAW: 10}
    assert start(running, RAW) == 10
    (event,) = events(running, RAW.topic)
    wanted = {"records": "10", "bytes": "1000", "oldest_offset": "0", "newest_offset": "9", "undelivered_to": "slow=6"}
    assert wanted.items() <= event.details.items()
    assert not (tmp_path / PENDING).exists()


def test_what_is_gone_already_is_not_said_again(running: ThrowAwayBroker, tmp_path: Path) -> None:
    done = Actor(running.connection("overflow"), tmp_path).act(order(RAW, 10))
    assert done == Done(starts={RAW: 10})
    assert len(events(running, RAW.topic)) == 1


def test_one_that_was_cut_short_is_repeated_as_the_very_same(
    running: ThrowAwayBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_admin: Admin, _ends: object) -> None:
        raise NotConnected("killed between the event and the deletion")

    actor = Actor(running.connection("overflow"), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Admin, "delete_records", killed)
        with pytest.raises(NotConnected):
            actor.act(order(CLEAN, 7))
    assert start(running, CLEAN) == 0
    done = actor.act(order(CLEAN, 12))  # what is decided meanwhile comes after it
    assert [(one.first, one.end) for one in done.evicted] == [(0, 7), (7, 12)]
    assert start(running, CLEAN) == 12
    first, again, other = events(running, CLEAN.topic)
    assert first == again
    assert other.event_id != first.event_id
    assert (first.details["records"], other.details["records"]) == ("7", "5")


@pytest.mark.parametrize("topic", ["dlq.events", "dlq.telemetry", "audit_trail"])
def test_its_user_may_not_delete_what_is_critical(running: ThrowAwayBroker, topic: str) -> None:
    with Admin(running.connection("overflow")) as admin, pytest.raises(StreamForgeError):
        admin.delete_records({Partition(topic): 0})


def test_an_alarm_is_raised_once_and_cleared_once(running: ThrowAwayBroker, tmp_path: Path) -> None:
    actor = Actor(running.connection("overflow"), tmp_path)
    for is_wanted in (False, True, True, False, False, True):
        actor.act(Order(is_alarm_wanted=is_wanted, used_percent=96.0))
    alarms = checker.records(running.connection("admin"), "alarms.raw")
    assert [one.state.name for one in alarms if isinstance(one, Alarm)] == [
        "UNACKNOWLEDGED",
        "CLEARED",
        "UNACKNOWLEDGED",
    ]


def test_a_broker_that_is_away_is_said(tmp_path: Path) -> None:
    away = Connection(bootstrap="127.0.0.1:1", username="overflow", password="x", client_id="x")
    with pytest.raises(NotConnected):
        Actor(away, tmp_path).act(order(RAW, 20))
