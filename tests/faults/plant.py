"""The simulated plant: numbered batches, and the truth about them: what was acknowledged, at which offset and when.

The truth is kept in this process, off the disk whose power is cut, and written down by the client's own thread at the
moment of each acknowledgement.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.clock import now_us
from streamforge.codec import encode
from streamforge.model import Names, ReadingBatch, Source, TimeQuality, names
from streamforge.progress import Partition
from tests.faults.invariants import Acknowledged

TICK_SECONDS = 0.01
FLUSH_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What one stream writes: batches a second and readings a batch, each drawn by the seed from its range."""

    topic: str
    per_second: tuple[int, int]
    readings: tuple[int, int]
    linger_ms: int


class Stream:
    """One stream of numbered batches to one topic, in a thread of its own."""

    def __init__(self, connection: Connection, traffic: Traffic, *, epoch: int, seed: str) -> None:
        draw = random.Random(f"{seed}:{traffic.topic}:{epoch}")
        self.topic = traffic.topic
        self.epoch = epoch
        self.acknowledged: list[Acknowledged] = []
        self.sent_seconds: list[float] = []  # monotonic; that of the batch `number` is at `number - 1`
        self._place = Partition(traffic.topic)
        self._per_second = draw.randint(*traffic.per_second)
        self._names = columns(draw.randint(*traffic.readings))
        self._draw = draw
        self._sent = 0
        self._producer = Producer(connection, (traffic.topic,), linger_ms=traffic.linger_ms)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and let go of the client; raises what befell it."""
        self._ended.set()
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Wait until all that was handed over is acknowledged, and let go of the client."""
        try:
            self._producer.flush(FLUSH_SECONDS)
        finally:
            self._producer.close()

    def send(self, count: int) -> None:
        """Hand over the next `count` batches."""
        for _ in range(count):
            self._sent += 1
            value = encode(self._batch(self._sent))
            self.sent_seconds.append(time.monotonic())
            self._producer.send(self._place, b"plant", value, (), partial(self._note, self._sent))

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(TICK_SECONDS):
            self.send(int((time.monotonic() - began) * self._per_second) - self._sent)

    def _note(self, number: int, offset: int) -> None:
        self.acknowledged.append(Acknowledged(number=number, offset=offset, at_seconds=time.monotonic()))

    def _batch(self, number: int) -> ReadingBatch:
        count = len(self._names)
        return ReadingBatch(
            source=Source(asset_id="plant", adapter_id=self.topic),
            epoch=self.epoch,
            seq=number,
            count_before=(number - 1) * count,
            gateway_time_us=now_us(),
            time_quality=TimeQuality.SYNCED,
            names=self._names,
            values=tuple(self._draw.random() for _ in range(count)),
        )


def columns(count: int) -> Names:
    """That many doubles."""
    return names(tuple(f"parameter_{index}" for index in range(count)), ("",) * count, bytes(count))


@dataclass(slots=True)
class Plant:
    """All streams of one run, by topic."""

    streams: dict[str, Stream] = field(default_factory=dict)

    def acknowledged(self) -> dict[str, list[Acknowledged]]:
        """The truth so far, by topic."""
        return {topic: list(stream.acknowledged) for topic, stream in self.streams.items()}


@contextmanager
def running(connection: Connection, traffic: tuple[Traffic, ...], seed: str, epoch: int = 1) -> Iterator[Plant]:
    """A plant that sends while inside; leaving waits until all it sent is acknowledged."""
    plant = Plant()
    try:
        for one in traffic:
            plant.streams[one.topic] = Stream(connection, one, epoch=epoch, seed=seed)
        for stream in plant.streams.values():
            stream.start()
        yield plant
    finally:
        for stream in plant.streams.values():
            stream.stop()
