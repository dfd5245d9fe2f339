"""The account of every reading, from what units say of themselves and from a real log."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.codec import encode
from streamforge.gateway import ledger
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.health import Asked, Health, HealthServer, State
from streamforge.incarnations import Incarnations
from streamforge.progress import Counted, CountKey, Partition, Position, Progress
from streamforge.transforms.marks import Mark
from tests.broker import new_broker
from tests.samples import batch

pytestmark = pytest.mark.broker
RAW, CLEAN = Partition("telemetry.raw"), Partition("telemetry.clean")
EPOCH = CountKey("plant", 1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowAwayBroker]:
    """Four clean batches of ten readings, one of them short of two that were rejected; a fifth is raw still."""
    with new_broker(tmp_path_factory.mktemp("broker")) as broker:
        producer = Producer(broker.connection("admin"), (RAW.topic, CLEAN.topic))
        for seq in range(1, 6):
            record = batch(seq, count_before=10 * (seq - 1), values=(1.0,) * 10)
            producer.send(RAW, b"pump_1", encode(record), (), lambda _offset: None)
        for seq in range(1, 5):
            rejected = {"level": 2} if seq == 3 else {}
            record = batch(
                seq, count_before=10 * (seq - 1), values=(1.0,) * (10 - sum(rejected.values())), rejected=rejected
            )
            mark = Mark(place=RAW, position=Position(next_offset=seq), hold=seq, scan=seq)
            producer.send(CLEAN, b"pump_1", encode(record), mark.headers(), lambda _offset: None)
        producer.flush(5)
        producer.close()
        yield broker


@contextmanager
def unit(directory: Path, name: str, details: dict[str, Any]) -> Iterator[None]:
    """A unit that says this of itself."""
    health = Health(state=State.HEALTHY, status="", details=details)
    asked = Asked(unit=name, health=lambda: health, metrics=lambda: b"", is_ready=lambda: True, since_us=lambda: 1)
    server = HealthServer(asked, directory)
    server.start()
    try:
        yield
    finally:
        server.stop()


def taken(
    connection: Connection, directory: Path, *, read: int, delivered: Counted, at: int, dropped: int = 0
) -> ledger.Row:
    """The one row of an adapter that read so much, and a sink that stands at that offset."""
    rows = [{"epoch": 1, "read": read, "dropped": dropped, "incarnation": 1}]
    progress = Progress(positions={CLEAN: Position(next_offset=at)}, counts={EPOCH: delivered})
    with ExitStack() as units:
        adapter = {"kind": "adapter", "adapter_id": "plant", "ledger": rows}
        units.enter_context(unit(directory, "streamforge-adapter-modbus-tcp@plant", adapter))
        sink = {"kind": "sink", "topics": [CLEAN.topic], "progress": progress.to_json()}
        units.enter_context(unit(directory, "streamforge-sink-file@export", sink))
        found = ledger.take(connection, directory)
    (row,) = found.rows
    return row


def test_what_waits_is_counted_from_the_log_in_clean_and_in_raw(running: ThrowAwayBroker, tmp_path: Path) -> None:
    delivered = Counted(delivered=20, next_count=20, last_offset=1)
    row = taken(running.connection("admin"), tmp_path, read=50, delivered=delivered, at=2)
    assert (row.delivered, row.waiting, row.rejected, row.evicted) == (20, 28, 2, 0)
    assert row.balanced


def test_a_reading_that_nobody_accounts_for_is_an_imbalance(running: ThrowAwayBroker, tmp_path: Path) -> None:
    delivered = Counted(delivered=19, next_count=20, last_offset=1)
    assert not taken(running.connection("admin"), tmp_path, read=50, delivered=delivered, at=2).balanced


def test_what_the_adapter_dropped_before_the_log_is_evicted(running: ThrowAwayBroker, tmp_path: Path) -> None:
    delivered = Counted(delivered=20, next_count=20, last_offset=1)
    row = taken(running.connection("admin"), tmp_path, read=57, dropped=7, delivered=delivered, at=2)
    assert row.evicted == 7
    assert row.balanced


def test_what_was_noted_as_read_and_went_with_a_power_cut_is_evicted(running: ThrowAwayBroker, tmp_path: Path) -> None:
    delivered = Counted(delivered=20, next_count=20, last_offset=1)
    file = tmp_path / "incarnations.json"
    file.write_text(Incarnations().opening(opened_at_us=1, reason="power cut", firsts={RAW: 5}).to_json())
    connection = replace(running.connection("admin"), incarnations_file=file)
    row = taken(connection, tmp_path, read=63, delivered=delivered, at=2)
    assert (row.waiting, row.evicted) == (28, 13)
    assert row.balanced
    further = taken(connection, tmp_path, read=15, delivered=delivered, at=2)
    assert (further.read, further.balanced) == (50, True), "what stands on the log was read, whatever was noted last"
    uncut = taken(running.connection("admin"), tmp_path, read=63, delivered=delivered, at=2)
    assert not uncut.balanced, "without a cut nothing may be missing"


def asked(directory: Path) -> ledger.Question:
    """One sink that stands behind the second batch, and an adapter that does not run but noted 40 readings."""
    noted = {EPOCH[:2]: ledger.AdapterCount(read=40, dropped=0, incarnation=1)}
    held = Progress(
        positions={CLEAN: Position(next_offset=2)}, counts={EPOCH: Counted(delivered=20, next_count=20, last_offset=1)}
    )
    return ledger.Question(
        directory=directory,
        before=ledger.Said(adapters=noted, sinks={"file@export": held}),
        configured=frozenset({"file@export", "postgres@new"}),
    )


def test_units_that_do_not_run_keep_their_rows(running: ThrowAwayBroker, tmp_path: Path) -> None:
    noted, unknown = ledger.taken(running.connection("admin"), asked(tmp_path))[0].rows
    assert (noted.read, noted.delivered, noted.waiting, noted.rejected) == (50, 20, 28, 2), (
        "with what the log has beyond"
    )
    assert noted.balanced
    assert (unknown.sink, unknown.waiting, unknown.is_judged) == ("postgres@new", 50, False)
    assert "is not known" in unknown.note


def test_a_backlog_beyond_the_bound_is_what_remains_and_not_judged(running: ThrowAwayBroker, tmp_path: Path) -> None:
    question = replace(asked(tmp_path), most_records=2, configured=frozenset({"file@export"}))
    (row,) = ledger.taken(running.connection("admin"), question)[0].rows
    assert (row.delivered, row.is_judged) == (20, False)
    assert row.note.startswith("more than 2 records wait")


def test_a_window_counts_what_the_log_holds(running: ThrowAwayBroker, tmp_path: Path) -> None:
    admin = running.connection("admin")
    question = replace(asked(tmp_path), configured=frozenset({"file@export"}))
    found = ledger.take_window(admin, question, ledger.Window(asset="pump_1"))
    (row,) = found.rows
    assert (row.read, row.delivered, row.waiting, row.rejected) == (50, 20, 28, 2)
    assert (found.assets, found.oldest_us) == ({"pump_1"}, batch().gateway_time_us)
    assert ledger.take_window(admin, question, ledger.Window(asset="pump_2")).rows == ()
    later = ledger.Window(since_us=batch().gateway_time_us + 1)
    assert ledger.take_window(admin, question, later).rows == ()


def test_what_was_made_again_after_a_cut_does_not_wait_for_who_has_it(running: ThrowAwayBroker, tmp_path: Path) -> None:
    file = tmp_path / "incarnations.json"
    file.write_text(Incarnations().opening(opened_at_us=1, reason="power cut", firsts={CLEAN: 2}).to_json())
    connection = replace(running.connection("admin"), incarnations_file=file)
    had = Counted(delivered=38, rejected=2, next_count=40, last_offset=3)
    row = taken(connection, tmp_path, read=50, delivered=had, at=4)
    assert (row.delivered, row.waiting, row.rejected, row.evicted) == (38, 10, 2, 0)
    assert row.balanced
