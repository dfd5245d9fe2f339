"""What stands in the place of kafka-python's clients, so that the product's own Reader and Producer run on top of it.

`KafkaProducer` and `KafkaConsumer` as far as `streamforge.bus` uses them; `test_clients.py` holds them to the real.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NamedTuple

from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, OffsetOutOfRangeError

from streamforge.progress import Headers, Partition
from tests.faults.simulated.life import Life
from tests.faults.simulated.log import Entry, Stand

LATENCY_SECONDS = 0.08
RETRY_SECONDS = 0.25
FETCH_RECORDS = 500


class Metadata(NamedTuple):
    """What an acknowledgement says."""

    offset: int


@dataclass(slots=True, eq=False)
class Future:
    """One record on its way; also what `send` returns."""

    place: Partition
    key: bytes
    value: bytes
    headers: Headers
    offset: int | None = None
    acknowledged: list[Callable[[Metadata], None]] = field(default_factory=list)
    failed: list[Callable[[BaseException], None]] = field(default_factory=list)

    def add_callback(self, call: Callable[[Metadata], None]) -> None:
        """Called with the metadata once the record is acknowledged."""
        self.acknowledged.append(call)

    def add_errback(self, call: Callable[[BaseException], None]) -> None:
        """Called with the error when the record failed."""
        self.failed.append(call)


class Client:
    """What both kinds have in common: a process, and a broker that may be away."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.broker = life.broker
        self.is_closed = False
        life.touch()
        if not self.broker.answers:
            raise KafkaConnectionError("no broker answers")
        life.clients.append(self)

    def abandon(self) -> None:
        """The process or the caller lets go."""
        self.is_closed = True

    def _ask(self) -> None:
        self.life.touch()
        if not self.broker.answers:
            raise KafkaTimeoutError("no answer")


class SimulatedProducer(Client):
    """Idempotent: each partition in order, each record once as long as this producer lives."""

    def __init__(self, life: Life, *, linger_ms: int = 20, **_: object) -> None:
        super().__init__(life)
        self._linger_seconds = linger_ms / 1000
        self._queues: dict[Partition, deque[Future]] = {}
        self._scheduled: set[Partition] = set()

    def partitions_for(self, topic: str) -> set[int]:
        """The partitions of a topic."""
        self._ask()
        return {place.number for place in self.broker.log.stands if place.topic == topic}

    def send(self, topic: str, value: bytes, key: bytes, headers: Sequence[tuple[str, bytes]], number: int) -> Future:
        """Take a record; it travels later."""
        self.life.touch()
        future = Future(Partition(topic, number), key, value, tuple(headers))
        self._queues.setdefault(future.place, deque()).append(future)
        self._schedule(future.place, self._linger_seconds + self.broker.draw.uniform(0.0, LATENCY_SECONDS))
        return future

    def _schedule(self, place: Partition, seconds: float) -> None:
        if place not in self._scheduled:
            self._scheduled.add(place)
            self.broker.later(seconds, lambda: self._travel(place))

    def _travel(self, place: Partition) -> None:
        """One request of one partition: the log takes what it holds, or the client tries again."""
        self._scheduled.discard(place)
        if self.is_closed or not self._queues[place]:
            return
        if not self._is_moving():
            self._schedule(place, RETRY_SECONDS)
            return
        draw = self.broker.draw
        self._append(place, draw.randint(1, len(self._queues[place])))
        self.broker.later(draw.uniform(0.0, LATENCY_SECONDS), lambda: self._acknowledge(place))

    def _is_moving(self) -> bool:
        return self.broker.answers and self.broker.clock.seconds >= self.life.stopped_until

    def _append(self, place: Partition, count: int) -> None:
        for future in list(self._queues[place])[:count]:
            if future.offset is None:
                future.offset = self.broker.log.append(place, future.key, future.value, future.headers)

    def _acknowledge(self, place: Partition) -> None:
        if self.is_closed:
            return
        queue = self._queues[place]
        if self._is_moving():
            while queue and (offset := queue[0].offset) is not None:
                for call in queue.popleft().acknowledged:
                    call(Metadata(offset))
        if queue:
            self._schedule(place, RETRY_SECONDS if not self._is_moving() else 0.0)

    def flush(self, timeout: float) -> None:
        """Wait until all is acknowledged. Raises KafkaTimeoutError."""
        self.life.touch()
        until = self.broker.clock.seconds + timeout
        while not self._is_moving() and self.broker.clock.seconds < until:
            self.broker.wait(min(RETRY_SECONDS, until - self.broker.clock.seconds))
            self.life.touch()
        if not self._is_moving():
            raise KafkaTimeoutError("not acknowledged in time")
        places = sorted(self._queues)
        self.broker.draw.shuffle(places)
        for place in places:
            self._append(place, len(self._queues[place]))
            self.life.touch()
            self._acknowledge(place)

    def abandon(self) -> None:
        """What is under way may or may not arrive: of each partition a prefix, at once or when the broker goes on."""
        if self.is_closed:
            return
        self.is_closed = True
        for place, queue in sorted(self._queues.items()):
            count = self.broker.draw.randint(0, len(queue))

            def deliver(place: Partition = place, count: int = count) -> None:
                self._append(place, count)

            if self.broker.answers:
                deliver()
            elif self.broker.is_stopped:
                self.broker.on_the_wire.append(deliver)

    def fail(self) -> None:
        """The client gives up what is under way; it may stand all the same. With nothing under way nothing fails."""
        if self.is_closed or not any(self._queues.values()):
            return
        for place, queue in sorted(self._queues.items()):
            if queue and self.broker.answers:
                self._append(place, self.broker.draw.randint(0, len(queue)))
            for future in queue:
                for call in future.failed:
                    call(KafkaError("given up"))
        self.is_closed = True

    def close(self, timeout: float = 0.0, **_: object) -> None:
        """Let go."""
        self.abandon()


class Record(NamedTuple):
    """kafka-python's ConsumerRecord, as far as it is used."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class SimulatedConsumer(Client):
    """Assigned partitions, exact positions, no group, no reset."""

    def __init__(self, life: Life, *, max_poll_records: int = FETCH_RECORDS, **_: object) -> None:
        super().__init__(life)
        self._most_records = max_poll_records
        self._next: dict[Partition, int] = {}
        self._fetcher = SimpleNamespace()  # where the reader hangs its look at batches; here are none

    def stand(self, place: tuple[str, int]) -> Stand:
        """The partition, asked of the broker. Raises KafkaTimeoutError."""
        self._ask()
        return self._stand(place)

    def _stand(self, place: tuple[str, int]) -> Stand:
        return self.broker.log.stands[Partition(*place)]

    def partitions_for_topic(self, topic: str) -> set[int]:
        """The partitions of a topic; empty where there is none."""
        self._ask()
        return {place.number for place in self.broker.log.stands if place.topic == topic}

    def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that each still has."""
        self._ask()
        return {place: self._stand(place).start for place in places}

    def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next record of each gets."""
        self._ask()
        return {place: self._stand(place).end for place in places}

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """Read these from now on."""
        self._next = {Partition(*place): 0 for place in places}

    def seek(self, place: TopicPartition, offset: int) -> None:
        """The next offset to read."""
        self._next[Partition(*place)] = offset

    def poll(self, timeout_ms: int = 0) -> Mapping[TopicPartition, list[Record]]:
        """What stands at the positions. Raises OffsetOutOfRangeError. It does not wait: the world steps it again."""
        self.life.touch()
        if not self.broker.answers:
            return {}
        polled = {}
        for place, offset in self._next.items():
            stand = self._stand(place)
            if not stand.start <= offset <= stand.end:
                raise OffsetOutOfRangeError({TopicPartition(*place): offset})
            first = offset - stand.start
            found = [_record(entry) for entry in stand.entries[first : first + self._most_records]]
            if found:
                polled[TopicPartition(*place)] = found
                self._next[place] = offset + len(found)
        return polled

    def highwater(self, place: TopicPartition) -> int:
        """The end as of the last answer."""
        return self._stand(place).end

    def close(self, **_: object) -> None:
        """Let go."""
        self.abandon()


def _record(entry: Entry) -> Record:
    return Record(entry.offset, entry.time_ms, entry.key, entry.value, list(entry.headers))
