"""Every small file, damaged in every way, under the real broker: mended, started, all records read, one more written.

A seeded sample of the combinations, and all of them with STREAMFORGE_EVERY_DAMAGE=1 (six minutes); the table that this
prints (pytest -s) stands in docs/kafka-doctor.md.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamforge.gateway import kafka_doctor
from streamforge.gateway.doctor.copies import CopyKeeper
from streamforge.gateway.doctor.files import OFFSET_CHECKPOINTS
from streamforge.gateway.doctor.layout import METADATA_PARTITION
from streamforge.gateway.throwaway import ThrowAwayBroker
from tests.broker import new_broker

pytestmark = pytest.mark.broker

TOPICS = ("telemetry.raw", "alarms.raw")
RECORDS = 100
SAMPLE, SEED = 8, 20261127
FILES = (
    "meta.properties",
    "bootstrap.checkpoint",
    f"{METADATA_PARTITION}/00000000000000000000-0000000000.checkpoint",
    f"{METADATA_PARTITION}/quorum-state",
    f"{METADATA_PARTITION}/partition.metadata",
    f"{METADATA_PARTITION}/leader-epoch-checkpoint",
    "telemetry.raw-0/partition.metadata",
    "telemetry.raw-0/leader-epoch-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
)
DAMAGES = ("empty", "garbage", "truncated", "zeroed", "missing")
EVERY = [(file, damage) for file in FILES for damage in DAMAGES]
CASES = EVERY if "STREAMFORGE_EVERY_DAMAGE" in os.environ else random.Random(SEED).sample(EVERY, SAMPLE)
CHECKPOINT = b"0\n2\ntelemetry.raw 0 100\nalarms.raw 0 100\n"
# Without these Kafka loses sight of records, or does not start: to be there again, whatever the damage was.
NEEDED = ("meta.properties", "telemetry.raw-0/partition.metadata")


class Log:
    """One broker's directory `kafka`, and what was written into it so far."""

    def __init__(self, root: Path) -> None:
        self.kafka = root / "kafka"
        self.kafka.mkdir()
        self.broker: ThrowAwayBroker = new_broker(self.kafka)
        self.copies = CopyKeeper(self.kafka)
        self.written = dict.fromkeys(TOPICS, 0)

    def write(self, count: int) -> None:
        producer = KafkaProducer(**self.broker.connection("admin").kwargs(), acks="all")
        futures = [producer.send(topic, b"x", partition=0) for topic in TOPICS for _ in range(count)]
        for future in futures:
            future.get(20)
        producer.close(5)
        self.written = {topic: before + count for topic, before in self.written.items()}

    def read(self) -> dict[str, int]:
        return {topic: self._read(TopicPartition(topic, 0)) for topic in TOPICS}

    def _read(self, place: TopicPartition) -> int:
        consumer = KafkaConsumer(**self.broker.connection("admin").kwargs(), enable_auto_commit=False)
        consumer.assign([place])
        consumer.seek(place, 0)
        end = consumer.end_offsets([place])[place]
        found, deadline = 0, time.monotonic() + 10
        while consumer.position(place) < end and time.monotonic() < deadline:
            found += sum(len(records) for records in consumer.poll(timeout_ms=500).values())
        consumer.close()
        return found


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    log = Log(tmp_path_factory.mktemp("doctor"))
    log.broker.start()
    log.write(RECORDS)
    log.broker.restart()  # which fills the checkpoints
    log.write(RECORDS)
    log.copies.look()
    log.broker.kill()
    yield log
    log.broker.kill()


def damage(path: Path, how: str) -> None:
    """A checkpoint of offsets is empty in a broker's first minute; one that has entries can be cut."""
    content = path.read_bytes() if path.exists() else b""
    if path.name in OFFSET_CHECKPOINTS:
        content = CHECKPOINT
    if how == "missing":
        path.unlink(missing_ok=True)
        return
    size = max(len(content), 40)
    kinds = {"empty": b"", "garbage": random.Random(1).randbytes(size), "truncated": content[: len(content) // 2]}
    path.write_bytes(kinds.get(how, bytes(size)))


@pytest.mark.parametrize(("file", "how"), CASES)
def test_a_damaged_file_is_mended_and_nothing_is_lost(log: Log, file: str, how: str) -> None:
    damage(log.broker.broker.data / file, how)
    done = [finding for finding in kafka_doctor.examine(log.kafka) if finding.file == file]
    assert not any(finding.is_grave for finding in done)
    assert file not in NEEDED or len(done) == 1
    _expect_all(log, f"| `{file}` | {how} | {done[0].done if done else 'nothing to do'}")


def test_a_log_without_copies_gets_its_ids_from_the_metadata_log(log: Log) -> None:
    for file in NEEDED:
        damage(log.broker.broker.data / file, "missing")
    for path in (log.kafka / "copies").iterdir():
        path.unlink()
    done = {finding.file: finding.done for finding in kafka_doctor.examine(log.kafka)}
    assert {done[file] for file in NEEDED} == {"rebuilt from the metadata log"}
    _expect_all(log, f"| `{'`, `'.join(NEEDED)}`, and the copies | missing | rebuilt from the metadata log")


def test_a_running_broker_is_left_alone(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFORGE_ROOT", str(log.kafka.parent))
    assert not kafka_doctor.is_running(log.kafka)
    log.broker.start()
    assert kafka_doctor.main() == 1
    log.broker.kill()
    assert kafka_doctor.main() == 0


def _expect_all(log: Log, row: str) -> None:
    """It starts, every record is there, and one more goes in."""
    started = time.monotonic()
    log.broker.start()
    print(f"{row} | {time.monotonic() - started:.1f} |")
    try:
        assert log.read() == log.written
        log.write(1)
        log.copies.look()
    finally:
        log.broker.kill()
