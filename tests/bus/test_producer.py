"""Writing to the log, against a real broker that is stopped under it."""

import os
import signal
import time
from pathlib import Path

import pytest

from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.errors import Rejected
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.progress import Partition
from tests.broker import new_broker

pytestmark = pytest.mark.broker
PLACE = Partition("audit_trail")


def test_every_record_is_acknowledged_with_its_offset_in_order(broker: ThrowAwayBroker) -> None:
    offsets: list[int] = []
    producer = Producer(broker.connection("admin"), (PLACE.topic,))
    for number in range(50):
        producer.send(PLACE, b"k", str(number).encode(), (), offsets.append)
    assert producer.outstanding_bytes > 0
    assert producer.flush(5)
    assert offsets == list(range(offsets[0], offsets[0] + 50))
    assert producer.outstanding_bytes == 0
    producer.close()


def test_a_record_that_is_too_large_is_rejected_and_the_next_goes(broker: ThrowAwayBroker) -> None:
    offsets: list[int] = []
    producer = Producer(broker.connection("admin"), (PLACE.topic,))
    with pytest.raises(Rejected, match="larger than the broker takes"):
        producer.send(PLACE, b"k", bytes(3_000_000), (), offsets.append)
    producer.send(PLACE, b"k", b"small", (), offsets.append)
    assert producer.flush(5)
    assert len(offsets) == 1
    producer.close()


def test_closing_beside_a_stopped_broker_is_quick_and_reports_nothing_afterwards(tmp_path: Path) -> None:
    with new_broker(tmp_path) as broker:
        producer = Producer(broker.connection("admin"), (PLACE.topic,))
        late: list[int] = []
        os.kill(broker.pid, signal.SIGSTOP)
        producer.send(PLACE, b"k", b"v", (), late.append)
        assert not producer.flush(0.5)
        began = time.monotonic()
        producer.close(0.0)
        producer.close(0.0)
        assert time.monotonic() - began < 3
        seen = len(late)
        os.kill(broker.pid, signal.SIGCONT)
        reader = Reader(broker.connection("admin"))
        reader.ends([PLACE])
        reader.close()
        assert len(late) == seen
