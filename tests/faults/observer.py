"""The truth about a chain: every reading batch that stood on telemetry.raw, seen as it came by a plain Kafka client.

It is kept in this process, off the disk whose power is cut. What a reader sees is at or below the high watermark, which
one node reaches when it acknowledges.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kafka import TopicPartition

from streamforge.bus.connection import Connection
from streamforge.codec import decode
from streamforge.model import ReadingBatch, Topic
from tests.chain.checker import BatchKey
from tests.faults import log

POLL_MS = 20
PLACE = TopicPartition(Topic.TELEMETRY_RAW.value, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """How many readings a batch has, and when it was first seen on the log (monotonic)."""

    readings: int
    at_seconds: float


@dataclass(slots=True)
class Truth:
    """All batches that were ever seen, by (adapter, epoch, seq)."""

    batches: dict[BatchKey, Sighting] = field(default_factory=dict)

    def before(self, moment: float) -> dict[BatchKey, Sighting]:
        """What was on the log before that moment (monotonic)."""
        return {key: seen for key, seen in self.batches.items() if seen.at_seconds <= moment}


@contextmanager
def watching(connection: Connection, truth: Truth) -> Iterator[None]:
    """While inside, note what comes from the present end of the log on."""
    ended = threading.Event()
    with log.client(connection) as one:
        one.assign([PLACE])
        one.seek_to_end(PLACE)
        one.position(PLACE)

        def watch() -> None:
            while not ended.is_set():
                for record in one.poll(timeout_ms=POLL_MS).get(PLACE, []):
                    _note(truth, decode(record.value))

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _note(truth: Truth, batch: object) -> None:
    if isinstance(batch, ReadingBatch):
        key = (batch.source.adapter_id, batch.epoch, batch.seq)
        truth.batches.setdefault(key, Sighting(readings=len(batch), at_seconds=time.monotonic()))
