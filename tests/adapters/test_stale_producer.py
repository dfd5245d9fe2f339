"""A broker that has lost sight of what a producer sent refuses what comes next: nothing is lost, nothing is doubled."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.poller import PollerComponent
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.model import ReadingBatch
from tests.adapters.test_runner import Quick
from tests.broker import new_broker
from tests.chain import checker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
RAW_FOLDER = "telemetry.raw-0"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ThrowAwayBroker]:
    """One of its own: it is stopped, and its files are changed."""
    with new_broker(tmp_path / "broker") as running:
        yield running


def memory(broker: ThrowAwayBroker) -> Path:
    """What a broker that was stopped remembers of its producers, for its next start."""
    return max((broker.broker.data / RAW_FOLDER).glob("*.snapshot"))


def read(adapter: PollerComponent) -> int:
    """Readings, one a record, that the log acknowledged."""
    rows = adapter.health().details["ledger"]
    return int(rows[-1]["read"]) if rows else 0


def run_for(adapter: PollerComponent, readings: int) -> None:
    """Let it go on until so many more readings are acknowledged."""
    deadline, enough = time.monotonic() + 60.0, read(adapter) + readings
    while read(adapter) < enough:
        assert time.monotonic() < deadline, adapter.status()
        adapter.step(threading.Event())


def reasons(caplog: pytest.LogCaptureFixture) -> str:
    """Why the broker was said to be away."""
    return " ".join(str(getattr(record, "fields", {}).get("reason", "")) for record in caplog.records)


def test_an_adapter_that_is_out_of_sequence_goes_on_with_a_new_producer_and_each_record_stands_once(
    broker: ThrowAwayBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = broker.connection("adapter-modbus-tcp")
    adapter = PollerComponent(Quick(AdapterConfig()), "test", "line", connection=connection, state_directory=tmp_path)
    adapter.open()
    run_for(adapter, 5)
    producer = adapter._link._producer
    broker.stop()
    early = memory(broker).read_bytes()
    broker.start()
    run_for(adapter, 20)
    assert adapter._link._producer is producer, "a broker that was only away costs no producer"
    broker.stop()
    memory(broker).write_bytes(early)
    broker.start()
    run_for(adapter, 20)
    assert adapter._link._producer is not producer
    assert "OutOfOrderSequenceNumber" in reasons(caplog)
    adapter.drain(time.monotonic() + 10.0)
    total = read(adapter)
    adapter.close()
    stand = checker.records(broker.connection("admin"), "telemetry.raw")
    assert [one.seq for one in stand if isinstance(one, ReadingBatch)] == list(range(1, total + 1))
