"""Writing to the log: idempotent, acknowledged, bounded in what is outstanding.

A record is acknowledged when it stands on the log; one of alarms or events when the disk has it, too (`bus/commit.py`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from streamforge.bus.commit import ON_DISK_FIRST, GroupCommit
from streamforge.bus.connection import Connection, watch_authentication
from streamforge.bus.failures import translate
from streamforge.codec import encode
from streamforge.errors import NotConnected, StreamForgeError
from streamforge.model import Alarm, Event
from streamforge.progress import Headers, Partition

OnAcknowledged = Callable[[int], None]

BOOTSTRAP_TIMEOUT_MS = 4_000
MAX_BLOCK_MS = 4_000
ABANDON_SECONDS = 1.0
# A shorter one reports records as failed that stand in the log, and a resend then doubles them (measured).
NEVER_GIVE_UP_MS = 2**31 - 1
MOST_REQUEST_BYTES = 2 * 1024 * 1024
MOST_OUTSTANDING_BYTES = 4 * 1024 * 1024


class Producer:
    """One producer. Constructing it connects and learns of the topics.

    Raises ConfigError for a refused password, Fatal for a refused topic, NotConnected when the broker is away.
    After a failure seen in `failure` the producer is of no use: close it, read the tail of the log, make a new one.
    """

    def __init__(
        self, connection: Connection, topics: tuple[str, ...], *, linger_ms: int = 20, compression: str | None = "lz4"
    ) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._outstanding_bytes = 0
        self._failure: StreamForgeError | None = None
        directory = connection.barrier_directory
        self._commit = GroupCommit(directory, self._fail) if directory is not None else None
        try:
            with watch_authentication(connection):
                self._client = KafkaProducer(
                    **connection.kwargs(),
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=linger_ms,
                    batch_size=512 * 1024,
                    max_request_size=MOST_REQUEST_BYTES,
                    compression_type=compression,
                    delivery_timeout_ms=NEVER_GIVE_UP_MS,
                    bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
                    max_block_ms=MAX_BLOCK_MS,
                    reconnect_backoff_max_ms=1_000,
                    metrics_enabled=False,
                )
        except (KafkaError, OSError) as error:
            raise translate(error, connection) from error
        for topic in topics:
            self._learn(topic)

    def _learn(self, topic: str) -> None:
        try:
            self._client.partitions_for(topic)
        except (KafkaError, OSError) as error:
            self.close(0.0)
            raise translate(error, self._connection, topic) from error

    @property
    def outstanding_bytes(self) -> int:
        """Bytes handed over and not yet acknowledged."""
        return self._outstanding_bytes

    @property
    def awaited(self) -> str:
        """Whose acknowledgement is outstanding, for people."""
        return "the disk" if self._commit is not None and self._commit.is_waiting else "the broker"

    @property
    def failure(self) -> StreamForgeError | None:
        """The first failure of a record that was handed over; none while all is well."""
        return self._failure

    def send(self, place: Partition, key: bytes, value: bytes, headers: Headers, on_ack: OnAcknowledged) -> None:
        """Hand one record over; `on_ack(offset)` runs in a thread of the client's once it is acknowledged.

        Never waits for the broker. Raises the earlier `failure`, or Rejected for a record that is too large.
        """
        if self._failure is not None:
            raise self._failure
        size = len(key) + len(value)
        with self._lock:
            self._outstanding_bytes += size
        try:
            future = self._client.send(place.topic, value, key, list(headers), place.number)
        except (KafkaError, OSError) as error:
            with self._lock:
                self._outstanding_bytes -= size
            raise translate(error, self._connection, place.topic) from error

        def acknowledged(offset: int) -> None:
            with self._lock:
                self._outstanding_bytes -= size
            on_ack(offset)

        def answered(metadata: object) -> None:
            done = partial(acknowledged, metadata.offset)  # type: ignore[attr-defined] # kafka-python's RecordMetadata
            if self._commit is not None and place.topic in ON_DISK_FIRST:
                self._commit.add(done)
            else:
                done()

        future.add_callback(answered)
        future.add_errback(lambda error: self._fail(translate(error, self._connection, place.topic)))

    def _fail(self, error: StreamForgeError) -> None:
        if self._failure is None:
            self._failure = error

    def settle(self, topic: str) -> None:
        """What stands on a topic counts as just handed over: `flush` waits until it survives a power cut, if it should.

        For whoever finds there what a predecessor wrote and nobody has acknowledged.
        """
        if self._commit is not None and topic in ON_DISK_FIRST:
            self._commit.add(_nothing)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all handed over is acknowledged; False when that takes longer. Raises `failure`."""
        deadline = time.monotonic() + timeout_seconds
        try:
            self._client.flush(timeout_seconds)
            is_done = self._commit is None or self._commit.wait(deadline - time.monotonic())
        except KafkaTimeoutError:
            is_done = False
        if self._failure is not None:
            raise self._failure
        return is_done

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Let go; what is not acknowledged by then may or may not stand on the log. Again does nothing."""
        if self._commit is not None:
            self._commit.close()
        try:
            self._client.close(timeout_seconds, null_logger=True)
        except KafkaError:
            self._abandon()

    def _abandon(self) -> None:
        """With records unacknowledged the library raises before it stops its thread, which might still report them."""
        sender = self._client._sender  # noqa: SLF001 - there is no public way
        sender.force_close()
        sender.join(ABANDON_SECONDS)
        self._client._closed = True  # noqa: SLF001 - or it raises again when it is collected


def deliver(connection: Connection, place: Partition, records: Sequence[Event | Alarm], timeout_seconds: float) -> None:
    """Write these with a producer of their own; acknowledged when this returns. Raises StreamForgeError."""
    producer = Producer(connection, (place.topic,))
    try:
        for one in records:
            producer.send(place, one.asset_id.encode(), encode(one), (), lambda _offset: None)
        if not producer.flush(timeout_seconds):
            raise NotConnected(f"{producer.awaited} does not acknowledge {place.topic}")
    finally:
        producer.close()


def _nothing() -> None:
    """Nobody was told anything, so nobody is to be told."""
