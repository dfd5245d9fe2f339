"""A record that goes into the broker and must come out again: the proof that it serves."""

import secrets
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamforge.bus.admin import Admin, TopicSpec, translated
from streamforge.bus.connection import Connection
from streamforge.errors import NotConnected

TOPIC = "streamforge.canary"
# One record of some hundred bytes a start: Kafka's smallest segment holds years of it, and two of them are the bound.
TOPIC_SPEC = TopicSpec(name=TOPIC, partitions=1, config={"retention.bytes": "1048576", "segment.bytes": "1048576"})
# Shorter than a watchdog of 10 s, so that who asks still can say why no answer came.
ANSWER_MS = 4_000
CONNECT_MS = 4_000


class Canary:
    """One probe of the broker over one administrative connection; a context manager. All it raises is NotConnected,
    and ConfigError for a refused password.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._admin = Admin(connection, bootstrap_timeout_ms=CONNECT_MS, request_timeout_ms=ANSWER_MS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._admin.close()

    def sing(self) -> None:
        """Write one record with acks=all and read it back."""
        song = secrets.token_bytes(16)
        with translated(self._connection, TOPIC):
            self._admin.ensure_topics([TOPIC_SPEC])
            heard = self._read(self._write(song))
        if heard != song:
            msg = "the canary record did not come out of the broker"
            raise NotConnected(msg)

    def look(self) -> int:
        """A sign of life that writes nothing: the end offset of the canary's log."""
        return self._admin.end_offset(TOPIC)

    def _write(self, song: bytes) -> int:
        producer = KafkaProducer(
            **self._connection.kwargs(),
            acks="all",
            bootstrap_timeout_ms=CONNECT_MS,
            max_block_ms=ANSWER_MS,
            request_timeout_ms=ANSWER_MS,
            delivery_timeout_ms=ANSWER_MS,
        )
        try:
            offset: int = producer.send(TOPIC, song, partition=0).get(ANSWER_MS / 1000).offset
            return offset
        finally:
            producer.close(ANSWER_MS / 1000)

    def _read(self, offset: int) -> bytes:
        place = TopicPartition(TOPIC, 0)
        consumer = KafkaConsumer(**self._connection.kwargs(), enable_auto_commit=False, bootstrap_timeout_ms=CONNECT_MS)
        try:
            consumer.assign([place])
            consumer.seek(place, offset)
            records = consumer.poll(timeout_ms=ANSWER_MS, max_records=1).get(place, [])
            return b"".join(record.value for record in records)
        finally:
            consumer.close()
