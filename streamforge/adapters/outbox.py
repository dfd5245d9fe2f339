"""From a scan to the log: numbers batches, encodes them, and keeps them in order while the broker is away.

Telemetry has a lane, and alarms, events and dead letters have one each. When all together grow beyond the ring's size,
the oldest telemetry goes first, then dead letters, events, alarms; each is counted.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from streamforge.adapters.base import Batch, nothing
from streamforge.adapters.lane import Entry, Lane, Sender
from streamforge.codec import encode
from streamforge.model import Alarm, DeadLetter, Event, ReadingBatch, Source, TimeQuality, Topic
from streamforge.progress import OwnNumber

MOST_BYTES = 64 * 1024 * 1024
# Of so many assets the head of a record is remembered: a peer may name a new one with each message.
MOST_SOURCES = 10_000
TELEMETRY = Topic.TELEMETRY_RAW.value
TOPIC_OF = {DeadLetter: Topic.DLQ_TELEMETRY.value, Event: Topic.EVENTS_RAW.value, Alarm: Topic.ALARMS_RAW.value}
# What goes first where there is no room; what is sent first comes last.
ORDER = (TELEMETRY, *TOPIC_OF.values())

Signal = Event | Alarm | DeadLetter


class Outbox:
    """The records of one adapter's epoch on their way. Not thread-safe but for acknowledgements."""

    def __init__(
        self, source: Source, epoch: int, most_bytes: int = MOST_BYTES, wake: Callable[[], None] = nothing
    ) -> None:
        """`wake` runs in another thread at each acknowledgement: there is something to settle."""
        self._source = source
        self._sources: dict[str, Source] = {}
        self.epoch = epoch
        self._most_bytes = most_bytes
        self._lanes = {topic: Lane(topic, wake) for topic in ORDER}
        self._telemetry = self._lanes[TELEMETRY]
        self._numbers: Counter[str] = Counter()
        self._count = 0
        self.acknowledged = 0
        self.dropped = 0
        self.dropped_signals: Counter[str] = Counter()  # topic -> alarms, events, dead letters
        self.is_gated = False  # telemetry waits here

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
        return sum(lane.unacknowledged_bytes for lane in self._lanes.values())

    @property
    def waiting_for_it(self) -> int:
        """How many messages, of which nothing is worth a record, wait for the records before them."""
        return self._telemetry.waiting_for_it

    @property
    def oldest_in_flight(self) -> int:
        """The seq of the oldest batch that was handed over and is not acknowledged; 0 = none."""
        return self._telemetry.oldest_in_flight

    def oldest_signals(self) -> Mapping[str, int]:
        """Topic -> number of its oldest record that was handed over and is not acknowledged; telemetry is not here."""
        found = {topic: self._lanes[topic].oldest_in_flight for topic in TOPIC_OF.values()}
        return {topic: number for topic, number in found.items() if number}

    @property
    def is_empty(self) -> bool:
        """Whether the log has everything."""
        return all(lane.is_empty for lane in self._lanes.values())

    @property
    def is_kept_back(self) -> bool:
        """Whether nothing more will go: the gate is closed, and the log has all that it let through."""
        signals = (self._lanes[topic] for topic in TOPIC_OF.values())
        return self.is_gated and not self.oldest_in_flight and all(lane.is_empty for lane in signals)

    def put(self, batch: Batch, gateway_time_us: int, time_quality: TimeQuality) -> None:
        """Number and encode a scan; it waits here until `pump` hands it over."""
        record = ReadingBatch(
            source=self._source_of(batch.asset_id),
            epoch=self.epoch,
            seq=self._next(TELEMETRY),
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
        entry = Entry(
            number=record.seq,
            readings=len(batch.values),
            key=batch.asset_id.encode(),
            value=encode(record),
            done=batch.done,
        )
        self._add(TELEMETRY, entry)

    def after(self, done: Callable[[], None]) -> None:
        """Run it once all readings that were put in so far are acknowledged: nothing of these is worth a record."""
        self._telemetry.after(done)

    def put_signal(self, signal: Signal, asset_id: str, done: Callable[[], None] = nothing) -> None:
        """Encode an alarm, an event or a dead letter; it waits here until `pump` hands it over."""
        topic = TOPIC_OF[type(signal)]
        own = OwnNumber(writer=self._source.adapter_id, epoch=self.epoch, number=self._next(topic))
        entry = Entry(
            number=own.number,
            readings=0,
            key=asset_id.encode(),
            value=encode(signal),
            done=done,
            headers=own.headers(),
        )
        self._add(topic, entry)

    def _next(self, topic: str) -> int:
        self._numbers[topic] += 1
        return self._numbers[topic]

    def _source_of(self, asset_id: str) -> Source:
        if asset_id not in self._sources:
            if len(self._sources) >= MOST_SOURCES:
                self._sources.clear()
            self._sources[asset_id] = replace(self._source, asset_id=asset_id)
        return self._sources[asset_id]

    def _add(self, topic: str, entry: Entry) -> None:
        self._lanes[topic].put(entry)
        while self.unacknowledged_bytes > self._most_bytes:
            oldest = next(((topic, one) for topic, lane in self._lanes.items() if (one := lane.drop_oldest())), None)
            if oldest is None:
                return
            self._dropped(*oldest)

    def _dropped(self, topic: str, entry: Entry) -> None:
        self.dropped += entry.readings
        if topic != TELEMETRY:
            self.dropped_signals[topic] += 1

    def pump(self, sender: Sender, partitions: int) -> None:
        """Hand over what waits, as far as the bound on what is in flight allows.

        A record that is too large is dropped, counted. Raises what else `sender` raises.
        """
        for topic in reversed(ORDER):
            if self.is_gated and topic == TELEMETRY:
                continue
            for entry in self._lanes[topic].pump(sender, partitions):
                self._dropped(topic, entry)
                entry.tell()  # a peer that waits for it would wait for ever

    def settle(self) -> int:
        """Take note of acknowledgements and run their `done`; how many readings that were."""
        settled = sum(entry.readings for lane in self._lanes.values() for entry in lane.settle())
        self.acknowledged += settled
        return settled

    def recall(self, standing: Mapping[str, Container[int]]) -> None:
        """The client is gone: what it had stands on the log if its topic has its number in `standing`.

        All else waits again.
        """
        for topic, lane in self._lanes.items():
            self.acknowledged += sum(entry.readings for entry in lane.recall(standing.get(topic, ())))
