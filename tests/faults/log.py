"""What stands on the log, as a plain Kafka client finds it: nothing of the product's reader takes part."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from streamforge.bus.connection import Connection
from streamforge.codec import decode
from streamforge.errors import NotConnected
from streamforge.model import ReadingBatch
from tests.faults.invariants import Standing

SILENCE_SECONDS = 20.0


def end(connection: Connection, topic: str) -> int:
    """The offset that the next record of the topic's one partition will get."""
    place = TopicPartition(topic, 0)
    with client(connection) as one:
        return int(one.end_offsets([place])[place])


def standing(connection: Connection, topic: str, *, epoch: int, first: int = 0) -> list[Standing]:
    """The plant's records of one epoch from the offset `first` to the end, in the order of the log."""
    with client(connection) as one:
        return [
            Standing(number=batch.seq, offset=record.offset)
            for record in _records(one, TopicPartition(topic, 0), first)
            if isinstance(batch := decode(record.value), ReadingBatch) and batch.epoch == epoch
        ]


def records(connection: Connection, topic: str) -> list[Any]:
    """Every record of the topic's one partition, decoded."""
    with client(connection) as one:
        return [decode(record.value) for record in _records(one, TopicPartition(topic, 0), 0)]


def _records(one: Any, place: TopicPartition, first: int) -> Iterator[Any]:
    one.assign([place])
    one.seek(place, first)
    last = one.end_offsets([place])[place]
    heard = time.monotonic()
    while one.position(place) < last:
        polled = one.poll(timeout_ms=1000).get(place, [])
        if polled:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            msg = f"{place.topic} ends at {last}, but nothing comes from {one.position(place)} on"
            raise NotConnected(msg)
        yield from polled


@contextmanager
def client(connection: Connection) -> Iterator[Any]:
    """A plain Kafka consumer that commits nothing."""
    made = KafkaConsumer(
        **connection.kwargs(), group_id=None, enable_auto_commit=False, auto_offset_reset="none", metrics_enabled=False
    )
    try:
        yield made
    finally:
        made.close(autocommit=False)
