"""A log that can be set back, damaged while its broker is stopped, and read by the real stages and a sink."""

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from streamforge.bus.admin import Admin, TopicSpec
from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.codec import decode, encode, segments
from streamforge.codec.log_batches import Batch
from streamforge.gateway.doctor import newest
from streamforge.model import Event, ReadingBatch
from streamforge.progress import AdapterEpoch, Partition, Progress, Stored
from streamforge.sinks.base import BatchRule, Sink, SinkConfig
from streamforge.sinks.runner import SinkComponent
from streamforge.transforms.aggregator import Aggregator, AggregatorConfig
from streamforge.transforms.runner import TransformComponent
from streamforge.transforms.validator import Validator, ValidatorConfig
from tests.broker import new_broker
from tests.chain import checker
from tests.samples import batch

RAW, CLEAN, EVENTS = "telemetry.raw", "telemetry.clean", "events.clean"
SEGMENT_BYTES = 1024 * 1024
LOG_BYTES = 6 * SEGMENT_BYTES
ADAPTERS = ("boiler", "line", "plant")
LAST_EPOCH = 2
STUCK_SECONDS = 60.0

Key = checker.BatchKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What stood on a topic before the damage: the key of each offset, and how many readings each key has."""

    keys: dict[int, Key]
    readings: dict[Key, int]


@dataclass(slots=True, kw_only=True)
class Read:
    """What the gateway made of a damaged log. `reported`: offsets named by `data_loss` events."""

    delivered: Counter[Key] = field(default_factory=Counter)
    reported: set[int] = field(default_factory=set)
    is_stuck: bool = False
    seconds: float = 0.0
    miscounts: list[str] = field(default_factory=list)


class Target(Sink[SinkConfig]):
    """A database of one list."""

    Config = SinkConfig

    def __init__(self) -> None:
        super().__init__(SinkConfig(batch=BatchRule(age_ms=50)), "damage")
        self.times: Counter[Key] = Counter()
        self.progress = Progress()

    def connect(self) -> Progress:
        return self.progress

    def write(self, batch: Sequence[Stored], progress: Progress) -> None:
        self.times.update(_key(stored.record) for stored in batch if isinstance(stored.record, ReadingBatch))
        self.progress = progress

    def close(self) -> None:
        pass


class Site:
    """One broker, and its stopped log as it was before and after the validator read it."""

    def __init__(self, directory: Path, draw: random.Random) -> None:
        self._broker = new_broker(directory / "broker")
        self._kept = {topic: directory / topic for topic in (RAW, CLEAN)}
        self._truth: dict[str, Truth] = {}
        self._last: dict[str, ReadingBatch] = {}
        self._draw = draw

    def __enter__(self) -> Self:
        self._broker.start()
        with Admin(self.connection) as admin:
            small = {"segment.bytes": str(SEGMENT_BYTES)}
            admin.ensure_topics([TopicSpec(name=topic, partitions=1, config=small) for topic in (RAW, CLEAN)])
        self._write_plant()
        self._keep(RAW)
        self._broker.start()
        self._run(_validator(self.connection), RAW, Read())
        self._keep(CLEAN)
        return self

    def __exit__(self, *_: object) -> None:
        self._broker.kill()

    @property
    def connection(self) -> Connection:
        """The administrator's way in."""
        return self._broker.connection("admin")

    def partition(self, topic: str) -> Path:
        """The folder of its one partition."""
        return self._broker.broker.data / f"{topic}-0"

    def truth(self, topic: str) -> Truth:
        """What stood there before the damage."""
        return self._truth[topic]

    def restore(self, topic: str) -> None:
        """Stop the broker, and set its log back to where this topic is written and nobody has read it."""
        self._broker.kill()
        shutil.rmtree(self._broker.broker.data)
        shutil.copytree(self._kept[topic], self._broker.broker.data)

    def read(self, topic: str) -> Read:
        """Start it as the doctor lets it start, add a batch of each adapter, and let the gateway read it all."""
        cut = self._mend_ends(topic)
        self._broker.start()
        self._go_on(topic)
        found = Read()
        began = time.monotonic()
        target = Target()
        sink = SinkComponent(target, "damage", connection=self.connection)
        reading = _validator(self.connection) if topic == RAW else _aggregator(self.connection)
        self._run(reading, topic, found)
        self._run(sink, CLEAN, found)
        found.seconds = time.monotonic() - began
        found.delivered = target.times
        found.reported = self._reported(topic) | cut
        found.miscounts = self._miscounts(topic, target, cut)
        return found

    def _mend_ends(self, topic: str) -> set[int]:
        """As the doctor does before a start; the offsets of this topic that it says are cut off."""
        data = self._broker.broker.data
        newest.mend(data)
        ends = newest.broken(data)
        newest.cut(data.parent)
        last = max(self._truth[topic].keys)
        return set(range(ends.get(Partition(topic), last + 1), last + 1))

    def _write_plant(self) -> None:
        """Batches of 1 to 12 readings of three adapters in two epochs; several, or one, to a Kafka batch."""
        producer = Producer(self.connection, (RAW,), linger_ms=5)
        counts: Counter[AdapterEpoch] = Counter()
        written = seq = 0
        while written < LOG_BYTES:
            for _ in range(self._draw.choice((1, 1, 2, 8, 30))):
                seq += 1
                epoch = 1 if written < LOG_BYTES // 2 else LAST_EPOCH
                record = _drawn_batch(self._draw, seq, epoch, counts)
                value = encode(record)
                written += len(value)
                producer.send(Partition(RAW), b"pump_1", value, (), lambda _offset: None)
            producer.flush(10)
        producer.close()

    def _go_on(self, topic: str) -> None:
        producer = Producer(self.connection, (topic,))
        for last in self._last.values():
            record = replace(last, seq=last.seq + 100_000, count_before=last.count_after)
            producer.send(Partition(topic), b"pump_1", encode(record), (), lambda _offset: None)
        producer.flush(10)
        producer.close()

    def _keep(self, topic: str) -> None:
        """Stop in order, and note what stands there."""
        self._broker.stop()
        shutil.copytree(self._broker.broker.data, self._kept[topic])
        records = {
            record.offset: decode(record.value or b"")
            for found in segments.walk(self.partition(topic))
            if isinstance(found, Batch)
            for record in found.records()
        }
        batches = {offset: record for offset, record in records.items() if isinstance(record, ReadingBatch)}
        assert batches
        assert sorted(batches) == list(range(len(batches)))
        self._truth[topic] = Truth(
            keys={offset: _key(record) for offset, record in batches.items()},
            readings={_key(record): len(record) for record in batches.values()},
        )
        self._last = {record.source.adapter_id: record for record in batches.values()}

    def _run(self, component: Any, topic: str, read: Read) -> None:
        """Let a component read to the end of the topic."""
        reader = Reader(self.connection)
        end = reader.ends([Partition(topic)])[Partition(topic)]
        reader.close()
        at, moved_at = -1, time.monotonic()
        stop = threading.Event()
        while at < end and time.monotonic() - moved_at < STUCK_SECONDS:
            component.step(stop)
            if _position(component, topic) > at:
                at, moved_at = _position(component, topic), time.monotonic()
        read.is_stuck |= at < end
        component.drain(time.monotonic() + 5)
        component.close()

    def _reported(self, topic: str) -> set[int]:
        events = [record for record in checker.records(self.connection, EVENTS) if isinstance(record, Event)]
        losses = [event.details for event in events if event.type == "data_loss" and event.details["topic"] == topic]
        return {offset for loss in losses for offset in range(int(loss["first"]), int(loss["next_offset"]))}

    def _miscounts(self, topic: str, target: Target, cut: set[int]) -> list[str]:
        """The sink's account against the plant's: exact in the epoch that goes on, closed in the one before.

        What was cut off the log's end (these offsets) reconcile counts; the sink, too, where a hole before shows it.
        """
        truth, found = self._truth[topic], []
        for (adapter, epoch, _), counted in target.progress.counts.items():
            mine = [key for key in truth.readings if key[:2] == (adapter, epoch)]
            read = sum(truth.readings[key] for key in mine)
            lost = sum(truth.readings[key] for key in mine if not target.times[key])
            cut_off = sum(truth.readings[key] for key in {truth.keys[offset] for offset in cut} if key in mine)
            is_counted = counted.delivered + counted.evicted == counted.next_count
            evicted = counted.evicted + (0 if is_counted else cut_off)
            told = counted.delivered + evicted
            if told != counted.next_count:
                found.append(f"{adapter}/{epoch}: {counted.next_count} readings, of which {told} are accounted for")
            if epoch == LAST_EPOCH and evicted != lost:
                found.append(f"{adapter}/{epoch}: {lost} of {read} readings lost, {evicted} told")
        return found


def _validator(connection: Connection) -> TransformComponent:
    return TransformComponent(lambda: Validator.stages(ValidatorConfig()), "validator", connection=connection)


def _aggregator(connection: Connection) -> TransformComponent:
    return TransformComponent(lambda: (Aggregator(AggregatorConfig()),), "aggregator", connection=connection)


def _position(component: TransformComponent | SinkComponent, topic: str) -> int:
    if isinstance(component, TransformComponent):
        return max((stage.next_offset for stage in component._stages), default=0)
    known = component._known_progress
    held = known.positions.get(Partition(topic)) if known is not None else None
    return held.next_offset if held is not None else 0


def _key(record: ReadingBatch) -> Key:
    return record.source.adapter_id, record.epoch, record.seq


def _drawn_batch(draw: random.Random, seq: int, epoch: int, counts: Counter[AdapterEpoch]) -> ReadingBatch:
    adapter = draw.choice(ADAPTERS)
    count = draw.randint(1, 12)
    record = batch(
        seq,
        adapter_id=adapter,
        epoch=epoch,
        count_before=counts[adapter, epoch],
        values=tuple(draw.random() for _ in range(count)),
        gateway_time_us=1_790_000_000_000_000 + seq * 100_000,
    )
    counts[adapter, epoch] += count
    # Text of no pattern, so that compression leaves a size like that of a busy scan.
    text = draw.randbytes(draw.choice((100, 500, 1_500))).hex()
    return replace(record, source=replace(record.source, pipeline_id=text))
