"""One fetch whose answer is kept as bytes: what stands in the segment, before any client makes records of it.

kafka-python offers no such call, so this uses what its own fetcher is made of (private names, one place).
"""

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    CorruptRecordError,
    InvalidRecordError,
    KafkaError,
    NoError,
    OffsetOutOfRangeError,
    UnknownError,
    for_code,
)
from kafka.protocol.consumer import FetchRequest

from streamforge.progress import Partition

# What the broker answers where it reads a damaged segment itself: no bytes, and nothing that time would heal.
_DAMAGE = (CorruptRecordError, InvalidRecordError, UnknownError)
_NEWEST_VERSION = 12
"""The last that names topics by name."""


def fetch(client: KafkaConsumer, place: Partition, offset: int, most_bytes: int) -> bytes:
    """The bytes from the batch of that offset on, of one segment and at most so many, but for a first batch larger.

    Empty where the broker finds nothing, or damage. Raises KafkaError, OSError; OffsetOutOfRangeError among them.
    """
    topic = FetchRequest.FetchTopic
    part = topic.FetchPartition(
        partition=place.number,
        current_leader_epoch=-1,
        fetch_offset=offset,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=most_bytes,
    )
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=most_bytes,
        isolation_level=0,
        session_id=0,
        session_epoch=-1,
        topics=[topic(topic=place.topic, partitions=[part])],
        forgotten_topics_data=[],
        rack_id="",
        min_version=4,
        max_version=_NEWEST_VERSION,
    )
    manager = client._manager  # noqa: SLF001
    node = manager.cluster.leader_for_partition(TopicPartition(*place))

    async def answer() -> object:
        return await manager.send(request, node_id=node)

    return _bytes_of(manager.run(answer))


def _bytes_of(response: object) -> bytes:
    (topic,) = response.responses  # type: ignore[attr-defined] # kafka-python's FetchResponse
    (part,) = topic.partitions
    error = for_code(part.error_code)
    if error in _DAMAGE:
        return b""
    if error is OffsetOutOfRangeError:
        raise OffsetOutOfRangeError
    if error is not NoError:
        raise KafkaError(error.__name__)
    return bytes(part.records or b"")
