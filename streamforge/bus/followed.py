"""Holds kafka-python to the order of the batches that a broker answers, before it makes records of them.

A batch whose base offset was damaged is intact by its CRC: the client skips the records that seem to lie before its
position, and gives the rest at offsets that are not theirs. Here such an answer is refused as corrupt, and the reader
looks at the bytes itself. Uses what the client's fetcher is made of (private names, one place).
"""

from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

from streamforge.codec.batch_order import follow
from streamforge.progress import Partition


class Followed:
    """What is known of where batches begin, by partition: where the last whole batch of an answer ended."""

    def __init__(self, client: KafkaConsumer) -> None:
        self._begins: dict[Partition, int] = {}
        check = self.check

        class Records(Fetcher.PartitionRecords):  # type: ignore[misc] # kafka-python says nothing of types
            """Those of one answer."""

            def __init__(self, fetch_offset: int, tp: TopicPartition, records: Any, **rest: Any) -> None:
                check(Partition(*tp), fetch_offset, records._buffer)  # noqa: SLF001
                super().__init__(fetch_offset, tp, records, **rest)

        client._fetcher.PartitionRecords = Records  # noqa: SLF001

    def note(self, place: Partition, offset: int) -> None:
        """A batch begins there, by what was read otherwise."""
        self._begins[place] = offset

    def is_beginning(self, place: Partition, offset: int) -> bool:
        """Whether a batch is known to begin there."""
        return self._begins.get(place) == offset

    def check(self, place: Partition, offset: int, raw: bytes) -> None:
        """Raises CorruptRecordError where these are not the batches from that offset on, one after the other."""
        is_right, after = follow(raw, offset, is_boundary=self.is_beginning(place, offset))
        if not is_right:
            raise CorruptRecordError(f"batches from {place.topic}/{offset} on do not follow each other")
        self._begins[place] = after
