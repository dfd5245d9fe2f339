"""What is said of a cut of the log, from the adapters' promises and a real log."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.codec import encode
from streamforge.gateway.cut_losses import Promise, Promises
from streamforge.gateway.reconcile import look_again, reconcile
from streamforge.gateway.reconciled import load
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
    assert reconcile(running.connection("reconcile"), PLANT, tmp_path) == ()


def test_a_cut_is_one_event_and_said_once(running: ThrowAwayBroker, tmp_path: Path) -> None:
    connection = after(running.connection("reconcile"), tmp_path, CUT)
    (event,) = reconcile(connection, PLANT, tmp_path)
    assert (event.type, event.time_us) == ("data_loss", 7)
    assert event.message == (
        "The log was cut: the power went. At least 10 and at most 50 readings are lost; "
        "alarms and events are all there."
    )
    assert event.details["readings_at_least"] == "10"
    assert event.details["adapters"] == "plant/1=10-50"
    assert event.details["ends"] == "telemetry.raw/0=5"
    assert reconcile(connection, PLANT, tmp_path) == ()
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


def test_what_adapters_wrote_after_the_cut_hides_nothing_of_it(running: ThrowAwayBroker, tmp_path: Path) -> None:
    """A reconcile that came late: epoch 1, of the incarnation after the cut, stands on the log already."""
    epochs = [
        Promise(epoch=0, read=30, promised=90, incarnation=1),
        Promise(epoch=1, read=50, promised=1050, incarnation=2, began=2),
    ]
    (event,) = reconcile(after(running.connection("reconcile"), tmp_path, CUT), {"plant": epochs}, tmp_path)
    assert event.details["readings_at_most"] == "90"


def test_a_record_that_an_epoch_wrote_after_the_cut_shows_the_exact_count(
    running: ThrowAwayBroker, tmp_path: Path
) -> None:
    """Twenty of the readings before offset 5 are gone; the adapter lives on and writes its readings 70 to 79."""
    append(running, "lives", 1, count_before=0)
    cut = end(running)
    append(running, "lives", 8, count_before=70)
    log = Incarnations().opening(opened_at_us=7, reason="the disk was put back", firsts={RAW: cut})
    lives: Promises = {"lives": [Promise(epoch=1, read=80, promised=1080, incarnation=2, began=1)]}
    (event,) = reconcile(after(running.connection("reconcile"), tmp_path, log), lives, tmp_path, {"lives"})
    assert "Exactly 60 readings are lost" in event.message
    assert event.details["adapters"] == "lives/1=60"
    assert load(tmp_path).open == ()


def test_a_hole_that_becomes_visible_later_is_said_then(running: ThrowAwayBroker, tmp_path: Path) -> None:
    append(running, "late", 1, count_before=0)
    log = Incarnations().opening(opened_at_us=7, reason="the disk was put back", firsts={RAW: end(running)})
    connection = after(running.connection("reconcile"), tmp_path, log)
    late: Promises = {"late": [Promise(epoch=1, read=30, promised=1030, incarnation=1, began=1)]}
    (first,) = reconcile(connection, late, tmp_path, {"late"})
    assert first.details["adapters"] == "late/1=20-1020"
    assert look_again(connection, late, tmp_path) == ()
    append(running, "late", 5, count_before=40)
    (exact,) = look_again(connection, late, tmp_path)
    assert exact.event_id == f"{first.event_id}/late/1"
    assert exact.message == "Exactly 30 readings of late/1 are missing where incarnation 2 of the log begins."
    assert look_again(connection, late, tmp_path) == ()


def test_an_epoch_that_ended_without_another_record_keeps_its_bound(running: ThrowAwayBroker, tmp_path: Path) -> None:
    append(running, "ended", 1, count_before=0)
    log = Incarnations().opening(opened_at_us=7, reason="the disk was put back", firsts={RAW: end(running)})
    connection = after(running.connection("reconcile"), tmp_path, log)
    epoch = Promise(epoch=1, read=30, promised=1030, incarnation=1, began=1)
    reconcile(connection, {"ended": [epoch]}, tmp_path, {"ended"})
    assert len(load(tmp_path).open) == 1
    assert look_again(connection, {"ended": [epoch, replace(epoch, epoch=2)]}, tmp_path) == ()
    assert load(tmp_path).open == ()


def test_of_another_log_only_what_an_epoch_goes_on_from_is_counted(running: ThrowAwayBroker, tmp_path: Path) -> None:
    append(running, "survivor", 9, count_before=500)
    log = Incarnations().opening(opened_at_us=8, reason="it is another log")
    promises: Promises = {
        "survivor": [Promise(epoch=1, read=510, promised=1510, incarnation=2, began=1)],
        "gone": [Promise(epoch=4, read=70, promised=900, incarnation=1, began=1)],
    }
    (event,) = reconcile(after(running.connection("reconcile"), tmp_path, log), promises, tmp_path)
    assert event.details["adapters"] == "survivor/1=500"
    assert load(tmp_path).said[-1].at_most is None


def test_two_cuts_that_nobody_had_accounted_for_are_counted_together(running: ThrowAwayBroker, tmp_path: Path) -> None:
    """Each took the end of an epoch: the first of epoch 1, the second of epoch 2."""
    append(running, "twice", 1, count_before=0)
    first_cut = end(running)
    append(running, "twice", 1, count_before=0, epoch=2)
    log = Incarnations().opening(opened_at_us=7, reason="the power went", firsts={RAW: first_cut})
    log = log.opening(opened_at_us=8, reason="the power went", firsts={RAW: end(running)})
    promises: Promises = {
        "twice": [
            Promise(epoch=1, read=10, promised=1010, incarnation=1, began=1),
            Promise(epoch=2, read=12, promised=1012, incarnation=2, began=2),
        ]
    }
    events = reconcile(after(running.connection("reconcile"), tmp_path, log), promises, tmp_path)
    assert events[1].details["adapters"] == "twice/1=0-1000, twice/2=2-1002"


def append(running: ThrowAwayBroker, adapter_id: str, seq: int, *, count_before: int, epoch: int = 1) -> None:
    """Ten readings more stand on the log."""
    producer = Producer(running.connection("admin"), (RAW.topic,))
    record = batch(seq, count_before=count_before, values=(1.0,) * 10, adapter_id=adapter_id, epoch=epoch)
    producer.send(RAW, b"pump_1", encode(record), (), lambda _offset: None)
    producer.flush(5)
    producer.close()


def end(running: ThrowAwayBroker) -> int:
    """The next offset of telemetry.raw."""
    reader = Reader(running.connection("admin"))
    try:
        return reader.ends([RAW])[RAW]
    finally:
        reader.close()
