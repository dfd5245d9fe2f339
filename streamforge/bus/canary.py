"""A record that goes into the broker and must come out again: the proof that it serves."""

import secrets
from types import TracebackType

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamforge.bus.admin import Admin, TopicSpec
from streamforge.bus.connection import Connection
from streamforge.errors import NotConnected

TOPIC = "streamforge.canary"
# One record of some hundred bytes a start: Kafka's smallest segment holds years of it, and two of them are the bound.
TOPIC_SPEC = TopicSpec(name=TOPIC, partitions=1, config={"retention.bytes": "1048576", "segment.bytes": "1048576"})
ANSWER_SECONDS = 10.0
ANSWER_MS = 10_000


class Canary:
    """One probe of the broker over one administrative connection; a context manager."""

    def __init__(self, connection: Connection, *, bootstrap_timeout_ms: int = 30_000) -> None:
        self._connection = connection
        self._admin = Admin(connection, bootstrap_timeout_ms=bootstrap_timeout_ms)

    def __enter__(self) -> "Canary":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._admin.close()

    def is_there(self) -> bool:
        """Whether the canary's topic was ever made."""
        return TOPIC in self._admin.topics()

    def sing(self) -> None:
        """Write one record with acks=all and read it back; NotConnected when it does not come out in time."""
        self._admin.ensure_topics([TOPIC_SPEC])
        song = secrets.token_bytes(16)
        offset = self._write(song)
        if self._read(offset) != song:
            msg = "the canary record did not come out of the broker"
            raise NotConnected(msg)

    def look(self) -> int:
        """A sign of life that writes nothing: the end offset of the canary's log."""
        return self._admin.end_offset(TOPIC)

    def _write(self, song: bytes) -> int:
        producer = KafkaProducer(**self._connection.kwargs(), acks="all", delivery_timeout_ms=ANSWER_MS * 3)
        try:
            offset: int = producer.send(TOPIC, song, partition=0).get(ANSWER_SECONDS).offset
            return offset
        finally:
            producer.close(ANSWER_SECONDS)

    def _read(self, offset: int) -> bytes:
        place = TopicPartition(TOPIC, 0)
        consumer = KafkaConsumer(**self._connection.kwargs(), enable_auto_commit=False)
        try:
            consumer.assign([place])
            consumer.seek(place, offset)
            records = consumer.poll(timeout_ms=ANSWER_MS, max_records=1).get(place, [])
            return b"".join(record.value for record in records)
        finally:
            consumer.close()
