"""Fault: one small file of Kafka's log directory, or of its doctor's, is empty, garbage, cut, zeroed or missing.

`play(seed, count)` draws `count` damages by the seed and does them one at a time to one log that goes on: the doctor,
the broker, every record read, one more written. A count of `len(EVERY)` plays each of them once.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamforge.errors import Fatal
from streamforge.gateway import kafka_doctor
from streamforge.gateway.doctor.copies import CopyKeeper
from streamforge.gateway.doctor.files import OFFSET_CHECKPOINTS
from streamforge.gateway.doctor.layout import METADATA_PARTITION
from streamforge.gateway.doctor.report import Finding
from streamforge.gateway.throwaway import ThrowAwayBroker
from tests.broker import new_broker
from tests.faults.seen import Seen

TOPICS = ("telemetry.raw", "alarms.raw")
RECORDS = 100
START_SECONDS = 30.0
DEAD = "small file, and no start"
DAMAGES = ("empty", "garbage", "truncated", "zeroed", "missing")
# Relative to the log directory.
KAFKAS = (
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
INDEXES = (
    "telemetry.raw-0/00000000000000000000.index",
    "telemetry.raw-0/00000000000000000000.timeindex",
    f"{METADATA_PARTITION}/00000000000000000000.index",
)
DOCTORS = (
    "../copies/small-files.json",
    "../incarnations.json",
    "../incarnations.before.json",
    "../writer.json",
    "../doctor.json",
    "../failed-starts.json",
)


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to which file."""

    file: str
    how: str

    def __str__(self) -> str:
        return f"{self.file.removeprefix('../')} {self.how}"


EVERY = tuple(Damage(file, how) for file in KAFKAS + INDEXES + DOCTORS for how in DAMAGES)
CHECKPOINT = b"0\n2\ntelemetry.raw 0 100\nalarms.raw 0 100\n"
# Without these Kafka loses sight of records, or does not start: to be said, whatever the damage was.
NEEDED = ("meta.properties", "telemetry.raw-0/partition.metadata")


class Log:
    """One broker's directory `kafka`, and what was written into it so far."""

    def __init__(self, root: Path) -> None:
        self.kafka = root / "kafka"
        self.kafka.mkdir()
        self.broker: ThrowAwayBroker = new_broker(self.kafka)
        self.copies = CopyKeeper(self.kafka)
        self.written = dict.fromkeys(TOPICS, 0)

    def make(self) -> None:
        """Records in both topics, checkpoints filled, copies made; then the broker is killed."""
        self.broker.start()
        self.write(RECORDS)
        self.broker.restart()  # which fills the checkpoints
        self.write(RECORDS)
        self.copies.look()
        self.broker.kill()

    def write(self, count: int) -> None:
        """So many more records in each topic, acknowledged."""
        producer = KafkaProducer(**self.broker.connection("admin").kwargs(), acks="all")
        futures = [producer.send(topic, b"x", partition=0) for topic in TOPICS for _ in range(count)]
        for future in futures:
            future.get(20)
        producer.close(5)
        self.written = {topic: before + count for topic, before in self.written.items()}

    def read(self) -> dict[str, int]:
        """How many records a plain client finds, by topic."""
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


def drawn(seed: str, count: int) -> Sequence[Damage]:
    """`count` different damages, all where there are not so many."""
    return random.Random(f"{seed}:files").sample(EVERY, min(count, len(EVERY)))


def damage(path: Path, how: str, seed: str = "") -> None:
    """A checkpoint of offsets is empty in a broker's first minute; one that has entries can be cut."""
    content = path.read_bytes() if path.exists() else b""
    if path.name in OFFSET_CHECKPOINTS:
        content = CHECKPOINT
    if how == "missing":
        path.unlink(missing_ok=True)
        return
    size = max(len(content), 40)
    garbage = random.Random(f"{seed}:{path.name}").randbytes(size)
    kinds = {"empty": b"", "garbage": garbage, "truncated": content[: len(content) // 2]}
    path.write_bytes(kinds.get(how, bytes(size)))


def play(seed: str, count: int, first: int = 0) -> Iterator[Seen]:
    """Damage after damage, from number `first` on, to one log; after one that it did not outlive, to a new one."""
    left = list(enumerate(drawn(seed, count)))[first:]
    while left:
        with TemporaryDirectory(prefix="sf-") as directory, pytest.MonkeyPatch.context() as environment:
            environment.setenv("STREAMFORGE_RUN", directory)  # where the doctor leaves what all units read
            log = Log(Path(directory))
            try:
                log.make()
                while left:
                    number, one = left.pop(0)
                    yield (seen := play_one(log, one, seed, number))
                    if seen.fault == DEAD:
                        break
            finally:
                log.broker.kill()


def play_one(log: Log, one: Damage, seed: str, number: int) -> Seen:
    """One damage, from the killed broker to the killed broker."""
    damage(log.broker.broker.data / one.file, one.how, seed)
    began = time.monotonic()
    found = list(kafka_doctor.examine(log.kafka))
    try:
        log.broker.start()
    except Fatal as error:
        return _dead(one, seed, number, str(error))
    seconds = time.monotonic() - began
    there, before = log.read(), log.written
    log.write(1)
    log.copies.look()
    log.broker.kill()
    lost = sum(max(0, before[topic] - there[topic]) for topic in TOPICS)
    log.written = {topic: there[topic] + 1 for topic in TOPICS}
    is_said = is_reported(one, found)
    breaches = [f"{one}: {lost} records are gone"] if lost else []
    if seconds > START_SECONDS:
        breaches.append(f"{one}: {seconds:.0f} s to the open port")
    if not is_said:
        breaches.append(f"{one}: the doctor said nothing")
    return Seen(
        fault=f"small file {one.how}",
        seed=seed,
        number=number,
        acknowledged=sum(before.values()),
        lost=lost,
        is_reported=is_said,
        recovery_seconds=round(seconds, 1),
        breaches=breaches,
    )


def _dead(one: Damage, seed: str, number: int, why: str) -> Seen:
    last = why.strip().splitlines()[-1]
    return Seen(fault=DEAD, seed=seed, number=number, acknowledged=0, breaches=[f"{one}: no start: {last}"])


def is_reported(one: Damage, found: Sequence[Finding]) -> bool:
    """Whether the doctor named a file that it had to mend; what Kafka makes anew without loss need not be said."""
    return one.file not in NEEDED or any(finding.file == one.file for finding in found)
