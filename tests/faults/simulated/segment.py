"""A fetch from the simulated log as bytes, in place of `bus.raw_fetch.fetch`: for a reader that looks for itself."""

import struct

from kafka.errors import OffsetOutOfRangeError
from kafka.record.default_records import DefaultRecordBatchBuilder

from streamforge.progress import Partition
from tests.faults.simulated.client import SimulatedConsumer
from tests.faults.simulated.log import Entry

MOST_RECORDS = 500


def fetch(client: SimulatedConsumer, place: Partition, offset: int, most_bytes: int) -> bytes:
    """One batch from that offset on. Raises OffsetOutOfRangeError."""
    stand = client.stand(place)
    if not stand.start <= offset <= stand.end:
        raise OffsetOutOfRangeError
    first = offset - stand.start
    return _batch(stand.entries[first : first + MOST_RECORDS], most_bytes)


def _batch(entries: list[Entry], most_bytes: int) -> bytes:
    if not entries:
        return b""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=most_bytes,
    )
    for number, entry in enumerate(entries):
        if builder.append(number, entry.time_ms, entry.key, entry.value, list(entry.headers)) is None:
            break
    return struct.pack(">q", entries[0].offset) + bytes(builder.build())[8:]
