"""From a scan to the log: numbers batches, encodes them, and keeps them in order while the broker is away.

The ring stands outside the Kafka client, which has no bound of its own. When the ring is full the oldest telemetry
goes, counted. What the client was given and has not acknowledged is kept too, so that a new client can be told it.
"""

import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from streamforge.adapters.base import Batch
from streamforge.codec import encode
from streamforge.errors import Rejected
from streamforge.model import ReadingBatch, Source, TimeQuality, Topic
from streamforge.progress import Headers, Partition

MOST_BYTES = 64 * 1024 * 1024
MOST_IN_FLIGHT_BYTES = 2 * 1024 * 1024
MOST_IN_FLIGHT = 2_000


class Sender(Protocol):
    """What the outbox needs of `bus.Producer`."""

    def send(self, place: Partition, key: bytes, value: bytes, headers: Headers, on_ack: Callable[[int], None]) -> None:
        """Hand a record over; `on_ack` runs in another thread."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    seq: int
    readings: int
    key: bytes
    value: bytes
    done: Callable[[], None]
    is_acknowledged: bool = False


class Outbox:
    """The readings of one adapter's epoch on their way to telemetry.raw. Not thread-safe but for acknowledgements."""

    def __init__(self, source: Source, epoch: int, most_bytes: int = MOST_BYTES) -> None:
        self._source = source
        self._sources: dict[str, Source] = {}
        self.epoch = epoch
        self._most_bytes = most_bytes
        self._waiting: deque[_Entry] = deque()
        self._in_flight: deque[_Entry] = deque()
        self._waiting_bytes = 0
        self._in_flight_bytes = 0
        self._seq = 0
        self._count = 0
        self.acknowledged = 0
        self.dropped = 0

    @property
    def read(self) -> int:
        """Readings of this epoch so far: acknowledged by the log, plus counted drops."""
        return self.acknowledged + self.dropped

    @property
    def numbered(self) -> int:
        """Readings of this epoch that were put in, wherever they are now."""
        return self._count

    @property
    def unacknowledged_bytes(self) -> int:
        """Encoded bytes that the log does not have yet."""
        return self._waiting_bytes + self._in_flight_bytes

    @property
    def oldest_in_flight(self) -> int:
        """The seq of the oldest record that was handed over and is not acknowledged; 0 = none."""
        return self._in_flight[0].seq if self._in_flight else 0

    @property
    def is_empty(self) -> bool:
        """Whether the log has everything."""
        return not self._waiting and not self._in_flight

    def put(self, batch: Batch, gateway_time_us: int, time_quality: TimeQuality) -> None:
        """Number and encode a scan; it waits here until `pump` hands it over."""
        self._seq += 1
        record = ReadingBatch(
            source=self._source_of(batch.asset_id),
            epoch=self.epoch,
            seq=self._seq,
            count_before=self._count,
            gateway_time_us=gateway_time_us,
            time_quality=time_quality,
            names=batch.names,
            values=batch.values,
            others=batch.others,
            qualities=batch.qualities,
            reasons=batch.reasons,
            device_times_us=batch.device_times_us,
        )
        self._count += len(batch.values)
        value = encode(record)
        entry = _Entry(
            seq=self._seq, readings=len(batch.values), key=batch.asset_id.encode(), value=value, done=batch.done
        )
        self._waiting.append(entry)
        self._waiting_bytes += len(value)
        while self.unacknowledged_bytes > self._most_bytes and self._waiting:
            self._drop(self._waiting.popleft())

    def _source_of(self, asset_id: str) -> Source:
        if asset_id not in self._sources:
            self._sources[asset_id] = replace(self._source, asset_id=asset_id)
        return self._sources[asset_id]

    def _drop(self, entry: _Entry) -> None:
        self._waiting_bytes -= len(entry.value)
        self.dropped += entry.readings

    def pump(self, sender: Sender, partitions: int) -> None:
        """Hand over what waits, as far as the bound on what is in flight allows.

        A record that is too large is dropped, counted. Raises what else `sender` raises.
        """
        while self._waiting and self._in_flight_bytes < MOST_IN_FLIGHT_BYTES and len(self._in_flight) < MOST_IN_FLIGHT:
            entry = self._waiting[0]
            number = zlib.crc32(entry.key) % partitions if partitions > 1 else 0

            def on_ack(_offset: int, entry: _Entry = entry) -> None:
                entry.is_acknowledged = True

            try:
                sender.send(Partition(Topic.TELEMETRY_RAW.value, number), entry.key, entry.value, (), on_ack)
            except Rejected:  # larger than the broker takes: it would never go
                self._drop(self._waiting.popleft())
                continue
            self._waiting.popleft()
            self._waiting_bytes -= len(entry.value)
            self._in_flight.append(entry)
            self._in_flight_bytes += len(entry.value)

    def settle(self) -> int:
        """Take note of acknowledgements and run their `done`; how many readings that were."""
        settled = 0
        while self._in_flight and self._in_flight[0].is_acknowledged:
            entry = self._in_flight.popleft()
            self._in_flight_bytes -= len(entry.value)
            settled += entry.readings
            entry.done()
        self.acknowledged += settled
        return settled

    def recall(self, standing: set[int]) -> None:
        """The client is gone: what it had stands on the log if its seq is in `standing`, else it waits again."""
        for entry in reversed(self._in_flight):
            if entry.seq in standing:
                entry.is_acknowledged = True
                continue
            if not entry.is_acknowledged:
                self._waiting.appendleft(entry)
                self._waiting_bytes += len(entry.value)
                self._in_flight_bytes -= len(entry.value)
        self._in_flight = deque(entry for entry in self._in_flight if entry.is_acknowledged)
        self.settle()
