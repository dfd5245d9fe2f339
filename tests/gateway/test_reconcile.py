"""What is said of a cut of the log, from the adapters' promises and a real log."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.codec import encode
from streamforge.gateway.reconcile import Promise, Promises, losses, reconcile
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.incarnations import Incarnations
from streamforge.model import Event
from streamforge.progress import Partition
from tests.broker import new_broker
from tests.chain import checker
from tests.samples import batch

pytestmark = pytest.mark.broker
RAW = Partition("telemetry.raw")
PLANT: Promises = {"plant": [Promise(epoch=1, read=60, promised=100, incarnation=1)]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowAwayBroker]:
    """Fifty readings of epoch 1 of the adapter `plant` stand on the log."""
    with new_broker(tmp_path_factory.mktemp("broker")) as broker:
        producer = Producer(broker.connection("admin"), (RAW.topic,))
        for seq in range(1, 6):
            record = batch(seq, count_before=10 * (seq - 1), values=(1.0,) * 10)
            producer.send(RAW, b"pump_1", encode(record), (), lambda _offset: None)
        producer.flush(5)
        producer.close()
        yield broker


def after(connection: Connection, directory: Path, log: Incarnations) -> Connection:
    """The same log, with these incarnations."""
    file = directory / "incarnations.json"
    file.write_text(log.to_json())
    return replace(connection, incarnations_file=file)


CUT = Incarnations().opening(opened_at_us=7, reason="the power went", firsts={RAW: 5})


def test_a_log_that_lost_nothing_needs_no_word(running: ThrowAwayBroker, tmp_path: Path) -> None:
    assert reconcile(running.connection("reconcile"), PLANT, tmp_path) == []


def test_a_cut_is_one_event_and_said_once(running: ThrowAwayBroker, tmp_path: Path) -> None:
    connection = after(running.connection("reconcile"), tmp_path, CUT)
    (event,) = reconcile(connection, PLANT, tmp_path)
    assert (event.type, event.time_us) == ("data_loss", 7)
    assert event.message == (
        "The log was cut: the power went. At most 50 readings are lost; alarms and events are all there."
    )
    assert event.details["readings_noted"] == "10"
    assert event.details["adapters"] == "plant/1=50"
    assert event.details["ends"] == "telemetry.raw/0=5"
    assert reconcile(connection, PLANT, tmp_path) == []
    written = checker.records(running.connection("admin"), "events.clean")
    assert [one for one in written if isinstance(one, Event)] == [event]


def test_each_cut_has_an_event_of_its_own(running: ThrowAwayBroker, tmp_path: Path) -> None:
    twice = CUT.opening(opened_at_us=8, reason="the power went", firsts={RAW: 5})
    events = reconcile(after(running.connection("reconcile"), tmp_path, twice), PLANT, tmp_path)
    assert [event.details["incarnation"] for event in events] == ["2", "3"]
    assert len({event.event_id for event in events}) == 2


def test_another_log_is_said_to_be_one(running: ThrowAwayBroker, tmp_path: Path) -> None:
    fresh = Incarnations().opening(opened_at_us=8, reason="it is another log")
    (event,) = reconcile(after(running.connection("reconcile"), tmp_path, fresh), PLANT, tmp_path)
    assert event.message.startswith("The log begins anew: it is another log.")


@pytest.mark.parametrize(
    ("epochs", "at_most"),
    [
        ([Promise(epoch=1, read=50, promised=50, incarnation=1)], []),
        (
            [
                Promise(epoch=1, read=50, promised=50, incarnation=1),
                Promise(epoch=2, read=0, promised=1000, incarnation=1),
            ],
            [1000],
        ),
        (
            [
                Promise(epoch=1, read=70, promised=70, incarnation=1),
                Promise(epoch=2, read=30, promised=40, incarnation=1),
            ],
            [60],
        ),
    ],
    ids=["ended in order", "an epoch of which nothing is there", "two that lost something"],
)
def test_what_was_promised_and_is_not_there_bounds_the_loss(
    running: ThrowAwayBroker, epochs: list[Promise], at_most: list[int]
) -> None:
    found = losses(running.connection("reconcile"), {"plant": epochs})
    assert [loss.at_most for loss in found] == at_most


def test_what_adapters_wrote_after_the_cut_hides_nothing_of_it(running: ThrowAwayBroker, tmp_path: Path) -> None:
    """A reconcile that came late: epoch 1, of the incarnation after the cut, stands on the log already."""
    epochs = [
        Promise(epoch=0, read=30, promised=90, incarnation=1),
        Promise(epoch=1, read=50, promised=1050, incarnation=2),
    ]
    (event,) = reconcile(after(running.connection("reconcile"), tmp_path, CUT), {"plant": epochs}, tmp_path)
    assert event.details["readings_at_most"] == "90"


def test_an_adapter_that_stopped_in_order_long_ago_is_not_blamed(running: ThrowAwayBroker) -> None:
    ended = [Promise(epoch=1, read=5_000, promised=5_000, incarnation=1)]
    assert losses(running.connection("reconcile"), {"retired": ended}) == []


def test_an_adapter_of_which_the_log_has_nothing_may_have_lost_all(running: ThrowAwayBroker) -> None:
    found = losses(running.connection("reconcile"), {"hall": [Promise(epoch=1, read=5, promised=9, incarnation=1)]})
    assert [(loss.adapter_id, loss.noted, loss.at_most) for loss in found] == [("hall", 5, 9)]
