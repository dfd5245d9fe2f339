"""Real transforms and a real sink beside a log that becomes too small: what the sink lacks stays, the rest goes."""

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.bench.site import Site
from streamforge.bus.admin import Admin, TopicSpec
from streamforge.bus.producer import Producer
from streamforge.codec import encode
from streamforge.gateway.overflow.ahead import Budget
from streamforge.gateway.overflow.controller import Overflow, Places
from streamforge.gateway.topics import MEBIBYTE
from streamforge.progress import Partition
from tests.broker import new_broker
from tests.chain import checker
from tests.samples import batch

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
RAW = Partition("telemetry.raw")
FILE = "streamforge-sink-file@out"
VALIDATOR, AGGREGATOR = "streamforge-transform-validator", "streamforge-transform-aggregator"
READINGS, BATCHES = 12_000, 40
APART_US = 10_000  # few windows: what the aggregator makes of them must be less than raw


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Validator, aggregator and file sink on a log with small segments."""
    root = tmp_path / "site"
    (root / "kafka").mkdir(parents=True)
    with new_broker(root / "kafka") as broker, Site(root, broker) as running:
        with Admin(broker.connection("admin")) as admin:
            config = {"segment.bytes": str(MEBIBYTE), "retention.bytes": "-1"}
            topics = ("telemetry.raw", "telemetry.clean")
            admin.ensure_topics([TopicSpec(name=topic, partitions=1, config=config) for topic in topics])
        running.write("sinks/file/out.toml", f'directory = "{tmp_path / "out"}"\nlayout = "batch"\n')
        running.barrier()
        running.transform("validator")
        running.transform("aggregator")
        running.sink("file", "out")
        yield running


def feed(site: Site, first_seq: int) -> None:
    """Batches of random doubles."""
    producer = Producer(site.broker.connection("admin"), (RAW.topic,))
    for seq in range(first_seq, first_seq + BATCHES):
        values = tuple(random.random() for _ in range(READINGS))
        at = 1_790_000_000_000_000 + seq * APART_US
        record = batch(seq, count_before=(seq - 1) * READINGS, values=values, gateway_time_us=at)
        producer.send(RAW, b"pump_1", encode(record), (), lambda _offset: None)
    assert producer.flush(30)
    producer.close()


def delivered(site: Site) -> int:
    progress = site.health(FILE)["details"]["progress"]
    return sum(row[2] for row in json.loads(progress)["counts"]) if progress else 0


def read_by(site: Site, transform: str) -> int:
    return int(site.health(transform)["details"]["stages"][0]["next_offset"])


def test_what_a_stopped_sink_lacks_stays_while_raw_that_all_have_goes(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in site.environment("streamforge-overflow", "overflow").items():
        monkeypatch.setenv(name, value)
    budget = [10**12]
    state = tmp_path / "site" / "state" / "streamforge-overflow"
    where = Places(
        root=site.directory,
        runtime=site.run,
        configuration=site.config,
        state=state,
        budget=lambda: Budget(size_bytes=budget[0]),
    )
    overflow = Overflow(where)
    try:
        feed(site, 1)
        site.wait_for("delivery", lambda: delivered(site) == BATCHES * READINGS, 90)
        overflow.step(threading.Event())  # it hears from all of them
        site.stop(FILE)
        feed(site, 1 + BATCHES)
        site.wait_for("the validator", lambda: read_by(site, VALIDATOR) == 2 * BATCHES, 90)
        site.wait_for("the aggregator", lambda: read_by(site, AGGREGATOR) == 2 * BATCHES, 90)
        budget[0] = _until_settled(overflow) * 100 // 92
        _until(overflow, lambda: bool(overflow.health().details["evicted_records"]))
        assert set(overflow.health().details["evicted_records"]) == {"telemetry.raw"}
        assert overflow.health().details["evicted_undelivered_records"] == 0
    finally:
        overflow.close()
    site.sink("file", "out")
    site.wait_for("the rest", lambda: delivered(site) == 2 * BATCHES * READINGS, 90)
    assert not checker.in_topic(site.broker.connection("admin"), "telemetry.clean").holes()
    assert sorted(checker.in_topic(site.broker.connection("admin"), "telemetry.raw").times)[0][2] > 1


def _until_settled(overflow: Overflow) -> int:
    """The log's size once two looks of the controller agree: what the stages wrote last is on the disk by then."""
    before, now = -1, 0
    while now != before:
        time.sleep(2.1)
        overflow.step(threading.Event())
        before, now = now, int(overflow.health().details["log_used_bytes"])
    return now


def _until(overflow: Overflow, is_so: object) -> None:
    deadline = time.monotonic() + 60
    assert callable(is_so)
    while not is_so():
        assert time.monotonic() < deadline, overflow.status()
        overflow.step(threading.Event())
