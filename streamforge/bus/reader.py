"""Reading the log by exact positions: assigned partitions, no groups, every hole in the offsets noticed."""

import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from streamforge.bus.connection import Connection, watch_authentication
from streamforge.bus.failures import is_refused, refused, translate
from streamforge.bus.fetched import Cause, Fetched, Hole, stored
from streamforge.bus.positions import Positions
from streamforge.bus.second_look import SecondLook
from streamforge.errors import NotConnected
from streamforge.progress import Partition

__all__ = ["Cause", "Fetched", "Hole", "Pace", "Reader", "stored"]

BOOTSTRAP_TIMEOUT_MS = 4_000
REQUEST_TIMEOUT_MS = 4_000
SILENCE_SECONDS = 5.0
SILENT_STRETCH_SECONDS = 4.0
# Records are there, by the broker's own word, and do not come.
STALL_SECONDS = 1.5
# What the client raises of a damaged batch: its own errors, and those of a parser that met nonsense.
_NONSENSE = (struct.error, ValueError, IndexError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patiently to fetch: few large requests cost far less than many small ones (0.5 to 1.9 ms of CPU each)."""

    least_bytes: int = 1
    wait_ms: int = 500
    most_records: int = 500


class Reader:
    """One consumer. Constructing it connects; raises ConfigError for a refused password, NotConnected when away."""

    def __init__(self, connection: Connection, pace: Pace = Pace()) -> None:
        self._connection = connection
        self._pace = pace
        self._positions = Positions()
        self.away = ""
        self._incarnations_stamp = connection.incarnations_stamp()
        self.incarnations = connection.incarnations()
        self._heard_at = time.monotonic()
        try:
            with watch_authentication(connection):
                self._client = KafkaConsumer(
                    **connection.kwargs(),
                    group_id=None,
                    enable_auto_commit=False,
                    auto_offset_reset="none",
                    fetch_min_bytes=pace.least_bytes,
                    fetch_max_wait_ms=pace.wait_ms,
                    max_partition_fetch_bytes=4 * 1024 * 1024,
                    max_poll_records=pace.most_records,
                    bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
                    reconnect_backoff_max_ms=1_000,
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                    metrics_enabled=False,
                )
        except (KafkaError, OSError) as error:
            raise translate(error, connection) from error
        self._second_look = SecondLook(self._client, connection, self._positions)

    @property
    def holes(self) -> list[Hole]:
        """What was missing so far, as it was noticed; whoever has dealt with it clears the list."""
        return self._positions.holes

    @property
    def is_outdated(self) -> bool:
        """Whether the log has begun a new incarnation since: positions must be found anew, by a new reader."""
        return self._connection.incarnations_stamp() != self._incarnations_stamp

    def partitions(self, topic: str) -> tuple[Partition, ...]:
        """The partitions of a topic. Raises Fatal when there is none of that name for this user."""
        try:
            numbers = self._client.partitions_for_topic(topic)
        except (KafkaError, OSError) as error:
            raise translate(error, self._connection, topic) from error
        if not numbers:  # the client never says that it may not: it would wait for ever
            raise refused(self._connection, topic)
        return tuple(Partition(topic, number) for number in sorted(numbers))

    def starts(self, places: Iterable[Partition]) -> dict[Partition, int]:
        """The first offset that each partition still has."""
        return self._offsets(places, ends=False)

    def ends(self, places: Iterable[Partition]) -> dict[Partition, int]:
        """The offset that the next record of each partition will get."""
        return self._offsets(places, ends=True)

    def _offsets(self, places: Iterable[Partition], *, ends: bool) -> dict[Partition, int]:
        return {place: self._offset(place, ends=ends) for place in places}

    def _offset(self, place: Partition, *, ends: bool) -> int:
        """One partition a request: of several the client leaves out, for good, those of which it knows no leader yet.

        Asked for one alone it looks for the leader, and waits.
        """
        key = TopicPartition(*place)
        try:
            found = (self._client.end_offsets if ends else self._client.beginning_offsets)([key])
        except (KafkaError, OSError) as error:
            raise translate(error, self._connection, place.topic) from error
        return int(found[key])

    def at_time(self, place: Partition, time_us: int) -> int:
        """The first offset that the log took at this moment or later; its end where there is none."""
        key = TopicPartition(*place)
        try:
            found = self._client.offsets_for_times({key: time_us // 1000})[key]
        except (KafkaError, OSError) as error:
            raise translate(error, self._connection, place.topic) from error
        return int(found.offset) if found is not None else self._offset(place, ends=True)

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on; replaces what was assigned."""
        self._client.assign([TopicPartition(*place) for place in positions])
        self._positions.assign(positions)
        self._heard_at = time.monotonic()
        for place, offset in positions.items():
            self._client.seek(TopicPartition(*place), offset)

    def poll(self, timeout_seconds: float) -> list[Fetched]:
        """The next records of the assigned partitions, each partition in order; empty after the timeout.

        What is missing or damaged is skipped, no intact record after it, and noted in `holes`. Raises NotConnected,
        Fatal (a refused topic). A broker that is away raises nothing, for the client finds it again by itself; after
        five seconds `away` says so.
        """
        try:
            polled = self._client.poll(timeout_ms=max(0, int(timeout_seconds * 1000)))
        except OffsetOutOfRangeError:
            self._step_into_range()
            return []
        except (KafkaError, OSError, *_NONSENSE) as error:
            return self._ask_the_log(error)
        if polled:
            self._heard()
        elif time.monotonic() - self._heard_at > self._silence_seconds():
            return self._look()
        return [record for place, records in polled.items() for record in self._taken(Partition(*place), records)]

    def _ask_the_log(self, error: Exception) -> list[Fetched]:
        """The client cannot go on: because of what stands in the log, or for another reason, which is raised."""
        topics = ", ".join(sorted({place.topic for place in self._positions.next}))
        if is_refused(error):
            raise translate(error, self._connection, topics) from error
        behind = self._behind(self.ends(self._positions.next))
        if not behind:
            raise translate(error, self._connection, topics) from error
        return [record for place in behind for record in self._look_at(place)]

    def _heard(self) -> None:
        self._heard_at = time.monotonic()
        self.away = ""

    def _silence_seconds(self) -> float:
        return STALL_SECONDS if any(self.lags().values()) else SILENCE_SECONDS

    def _behind(self, ends: Mapping[Partition, int]) -> list[Partition]:
        return [place for place, offset in self._positions.next.items() if offset < ends[place]]

    def _look(self) -> list[Fetched]:
        """Nothing came for a while: nothing new, nobody there, or damage that the client waits at?"""
        try:
            found = [
                record for place in self._behind(self.ends(self._positions.next)) for record in self._look_at(place)
            ]
        except NotConnected as error:
            if time.monotonic() - self._heard_at > SILENCE_SECONDS:
                self.away = str(error)
            return []
        self._heard()
        return found

    def _taken(self, place: Partition, records: Iterable[object]) -> Iterator[Fetched]:
        for record in records:
            offset: int = record.offset  # type: ignore[attr-defined] # kafka-python's ConsumerRecord
            if offset != self._positions.next[place]:
                yield from self._look_at(place)
                return
            yield self._positions.taken(
                Fetched(
                    partition=place,
                    offset=offset,
                    kafka_time_us=record.timestamp * 1000,  # type: ignore[attr-defined]
                    key=record.key or b"",  # type: ignore[attr-defined]
                    value=record.value or b"",  # type: ignore[attr-defined]
                    headers=record.headers,  # type: ignore[attr-defined]
                )
            )

    def _look_at(self, place: Partition) -> list[Fetched]:
        """What is intact at and beyond the position, from the log's own bytes; reading goes on after it."""
        start, end = self.starts([place])[place], self.ends([place])[place]
        found = self._second_look.read(place, start, end)
        self._client.seek(TopicPartition(*place), self._positions.next[place])
        return found

    def _step_into_range(self) -> None:
        """A position outside the log goes to the nearest end of it; what is skipped shows as a hole."""
        starts, ends = self.starts(self._positions.next), self.ends(self._positions.next)
        for place in self._positions.next:
            self._positions.skip(place, starts[place], Cause.EVICTED)
            self._positions.next[place] = min(self._positions.next[place], ends[place])
            self._client.seek(TopicPartition(*place), self._positions.next[place])

    def next_offsets(self) -> dict[Partition, int]:
        """Where reading goes on, by partition."""
        return dict(self._positions.next)

    def lags(self) -> dict[Partition, int]:
        """Records not yet read, by partition, as of the last answer of the broker: no request is made."""
        found = {}
        for place, offset in list(self._positions.next.items()):
            with suppress(KafkaError):  # asked from another thread while the assignment changes
                end = self._client.highwater(TopicPartition(*place))
                found[place] = max(0, (end or offset) - offset)
        return found

    def tail(self, place: Partition, count: int = 1, timeout_seconds: float = SILENT_STRETCH_SECONDS) -> list[Fetched]:
        """The newest records of a partition, oldest first, fewer where it holds fewer; changes what is assigned."""
        start, end = self.starts([place])[place], self.ends([place])[place]
        return list(self.stretch(place, max(start, end - count), end, timeout_seconds))

    def stretch(
        self, place: Partition, first: int, end: int, timeout_seconds: float = SILENT_STRETCH_SECONDS
    ) -> Iterator[Fetched]:
        """The records from `first` up to, not including, `end`, as they come; changes what is assigned.

        Raises NotConnected when nothing comes for the timeout.
        """
        self.assign({place: first})
        while self._positions.next[place] < end:
            polled = self.poll(timeout_seconds)
            if not polled and self._positions.next[place] < end:
                raise translate(
                    TimeoutError(f"no record at {place.topic}/{self._positions.next[place]}"), self._connection
                )
            yield from (record for record in polled if record.offset < end)

    def backwards(self, place: Partition, count: int, before: int | None = None) -> Iterator[Iterator[Fetched]]:
        """The records from the end of a partition (or an offset `before` it) back to its start, in stretches: the
        newest `count` first, then four times as many, and so on. Each is read out before the next is asked for.
        Raises NotConnected.
        """
        start, end = self.starts([place])[place], self.ends([place])[place]
        end = end if before is None else min(before, end)
        while end > start:
            first = max(start, end - count)
            yield self.stretch(place, first, end)
            end, count = first, count * 4

    def close(self) -> None:
        """Let go; again does nothing."""
        self._client.close(autocommit=False, timeout_ms=500)
