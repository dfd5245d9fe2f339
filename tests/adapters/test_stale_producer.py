"""A broker that has lost sight of what a producer sent refuses what comes next: nothing is lost, nothing is doubled."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.runner import PollerComponent
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


def test_an_adapter_that_is_out_of_sequence_goes_on_with_a_new_producer_and_each_record_stands_once(
    broker: ThrowAwayBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = PollerComponent(
        Quick(AdapterConfig()), "test", "line", connection=broker.connection("adapter-modbus-tcp"),
        state_directory=tmp_path,
    )  # fmt: skip
    adapter.open()

    def run_until(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60.0
        while not is_so():
            assert time.monotonic() < deadline, adapter.status()
            adapter.step(threading.Event())

    def read() -> int:
        return int(adapter.health().details["ledger"][-1]["read"]) if adapter.health().details["ledger"] else 0

    run_until(lambda: read() >= 5)
    producer = adapter._link._producer
    broker.stop()
    early = memory(broker).read_bytes()
    broker.start()
    before = read()
    run_until(lambda: read() >= before + 20)
    assert adapter._link._producer is producer, "a broker that was only away costs no producer"
    broker.stop()
    memory(broker).write_bytes(early)
    broker.start()
    before = read()
    run_until(lambda: read() >= before + 20)
    assert adapter._link._producer is not producer
    said = [str(getattr(record, "fields", {}).get("reason", "")) for record in caplog.records]
    assert any("OutOfOrderSequenceNumber" in reason for reason in said), said
    adapter.drain(time.monotonic() + 10.0)
    total = read()
    adapter.close()
    stand = [
        one for one in checker.records(broker.connection("admin"), "telemetry.raw") if isinstance(one, ReadingBatch)
    ]
    assert [one.seq for one in stand] == list(range(1, total + 1))
