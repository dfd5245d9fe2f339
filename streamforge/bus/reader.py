"""Reading the log by exact positions: assigned partitions, no groups, every hole in the offsets noticed."""

import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from streamforge.bus.connection import Connection, watch_authentication
from streamforge.bus.failures import is_refused, refused, translate
from streamforge.bus.followed import Followed
from streamforge.bus.raw_fetch import fetch
from streamforge.bus.salvage import Piece, intact
from streamforge.codec import decode
from streamforge.errors import NotConnected, Rejected
from streamforge.progress import Headers, Partition, Stored

BOOTSTRAP_TIMEOUT_MS = 4_000
REQUEST_TIMEOUT_MS = 4_000
SILENCE_SECONDS = 5.0
SILENT_STRETCH_SECONDS = 4.0
# Records are there, by the broker's own word, and do not come.
STALL_SECONDS = 1.5
SECOND_LOOK_SECONDS = 0.5
# What the client raises of a damaged batch: its own errors, and those of a parser that met nonsense.
_NONSENSE = (struct.error, ValueError, IndexError)


class Cause(StrEnum):
    """Why offsets are missing, the worst last. EVICTED: below the log's start; MISSING: nothing stands there."""

    EVICTED = "evicted"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One record as the broker gave it; `value` still encoded.

    `hole`: the offsets missing directly before it, where this reader met any since it was assigned; one, however many
    causes, of which it names the worst.
    """

    partition: Partition
    offset: int
    kafka_time_us: int
    key: bytes
    value: bytes
    headers: Headers
    hole: "Hole | None" = None


def stored(fetched: Fetched) -> Stored:
    """The fetched record, decoded. Raises Rejected where the bytes are none of ours."""
    return Stored(
        partition=fetched.partition,
        offset=fetched.offset,
        kafka_time_us=fetched.kafka_time_us,
        record=decode(fetched.value),  # type: ignore[arg-type] # an Aggregate never stands on the log
        size_bytes=len(fetched.value),
        headers=fetched.headers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Offsets that were expected and are not there: from `first` up to, not including, `next_offset`."""

    partition: Partition
    first: int
    next_offset: int
    cause: Cause = Cause.MISSING

    @property
    def offsets(self) -> int:
        """How many there are."""
        return self.next_offset - self.first

    def fields(self) -> dict[str, object]:
        """As a line of the journal names it."""
        return {
            "topic": self.partition.topic,
            "partition": self.partition.number,
            "first": self.first,
            "next_offset": self.next_offset,
            "cause": self.cause.value,
        }


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
        self._next: dict[Partition, int] = {}
        self._before: dict[Partition, Hole] = {}
        self.holes: list[Hole] = []
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
        self._followed = Followed(self._client)

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
        self._next = dict(positions)
        self._before.clear()
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
        topics = ", ".join(sorted({place.topic for place in self._next}))
        if is_refused(error):
            raise translate(error, self._connection, topics) from error
        behind = self._behind(self.ends(self._next))
        if not behind:
            raise translate(error, self._connection, topics) from error
        return [record for place in behind for record in self._salvage(place)]

    def _heard(self) -> None:
        self._heard_at = time.monotonic()
        self.away = ""

    def _silence_seconds(self) -> float:
        return STALL_SECONDS if any(self.lags().values()) else SILENCE_SECONDS

    def _behind(self, ends: Mapping[Partition, int]) -> list[Partition]:
        return [place for place, offset in self._next.items() if offset < ends[place]]

    def _look(self) -> list[Fetched]:
        """Nothing came for a while: nothing new, nobody there, or damage that the client waits at?"""
        try:
            found = [record for place in self._behind(self.ends(self._next)) for record in self._salvage(place)]
        except NotConnected as error:
            if time.monotonic() - self._heard_at > SILENCE_SECONDS:
                self.away = str(error)
            return []
        self._heard()
        return found

    def _taken(self, place: Partition, records: Iterable[object]) -> Iterator[Fetched]:
        for record in records:
            offset: int = record.offset  # type: ignore[attr-defined] # kafka-python's ConsumerRecord
            if offset != self._next[place]:
                yield from self._salvage(place)
                return
            self._next[place] = offset + 1
            yield self._after_hole(
                Fetched(
                    partition=place,
                    offset=offset,
                    kafka_time_us=record.timestamp * 1000,  # type: ignore[attr-defined]
                    key=record.key or b"",  # type: ignore[attr-defined]
                    value=record.value or b"",  # type: ignore[attr-defined]
                    headers=record.headers,  # type: ignore[attr-defined]
                )
            )

    def _salvage(self, place: Partition) -> list[Fetched]:
        """What is intact at and beyond the position, from the log's own bytes; reading goes on after it."""
        start, end = self.starts([place])[place], self.ends([place])[place]
        if self._next[place] < start:
            self._skip(place, start, Cause.EVICTED)
        found: list[Fetched] = []
        for piece in self._intact(place, start, end):
            found += self._taken_piece(place, piece, end)
        if not found and self._next[place] < end:
            self._skip(place, end, Cause.CORRUPT)
        self._followed.note(place, self._next[place])
        self._client.seek(TopicPartition(*place), self._next[place])
        return found

    def _intact(self, place: Partition, start: int, end: int) -> list[Piece]:
        """Asked twice where it seems that there is nothing more: that would be the end of all that follows."""
        expected = self._next[place]
        is_boundary = self._followed.is_beginning(place, expected)
        for pause_seconds in (0.0, SECOND_LOOK_SECONDS):
            time.sleep(pause_seconds)
            try:
                found = intact(
                    lambda at, most: fetch(self._client, place, at, most), expected, start, end, is_boundary=is_boundary
                )
            except (KafkaError, OSError) as error:
                raise translate(error, self._connection, place.topic) from error
            if found:
                return found
        return []

    def _taken_piece(self, place: Partition, piece: Piece, end: int) -> Iterator[Fetched]:
        """The records of an intact batch from the position on."""
        try:
            records = [one for one in piece.batch.records() if one.offset >= self._next[place]]
        except Rejected:  # its CRC is right and its content is none of ours: damaged before it was written
            self._skip(place, min(piece.batch.last_offset + 1, end), Cause.CORRUPT)
            return
        for one in records:
            self._skip(place, one.offset, Cause.CORRUPT if piece.is_after_damage else Cause.MISSING)
            self._next[place] = one.offset + 1
            yield self._after_hole(
                Fetched(
                    partition=place,
                    offset=one.offset,
                    kafka_time_us=one.timestamp_us,
                    key=one.key or b"",
                    value=one.value or b"",
                    headers=one.headers,
                )
            )

    def _skip(self, place: Partition, to: int, cause: Cause) -> None:
        """Pass over what is missing before that offset, if anything is, and note it."""
        first = self._next[place]
        if to <= first:
            return
        self.holes.append(Hole(partition=place, first=first, next_offset=to, cause=cause))
        before = self._before.get(place)
        if before is not None:
            first, cause = before.first, max(before.cause, cause, key=list(Cause).index)
        self._before[place] = Hole(partition=place, first=first, next_offset=to, cause=cause)
        self._next[place] = to

    def _after_hole(self, fetched: Fetched) -> Fetched:
        hole = self._before.pop(fetched.partition, None)
        return fetched if hole is None else replace(fetched, hole=hole)

    def _step_into_range(self) -> None:
        """A position outside the log goes to the nearest end of it; what is skipped shows as a hole."""
        starts, ends = self.starts(self._next), self.ends(self._next)
        for place in self._next:
            self._skip(place, starts[place], Cause.EVICTED)
            self._next[place] = min(self._next[place], ends[place])
            self._client.seek(TopicPartition(*place), self._next[place])

    def next_offsets(self) -> dict[Partition, int]:
        """Where reading goes on, by partition."""
        return dict(self._next)

    def lags(self) -> dict[Partition, int]:
        """Records not yet read, by partition, as of the last answer of the broker: no request is made."""
        found = {}
        for place, offset in list(self._next.items()):
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
        while self._next[place] < end:
            polled = self.poll(timeout_seconds)
            if not polled and self._next[place] < end:
                raise translate(TimeoutError(f"no record at {place.topic}/{self._next[place]}"), self._connection)
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
