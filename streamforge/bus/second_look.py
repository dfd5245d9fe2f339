"""Reading past damage: where the client stops or leaves something out, the log's own bytes are looked at."""

import time
from collections.abc import Iterator

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from streamforge.bus.connection import Connection
from streamforge.bus.failures import translate
from streamforge.bus.fetched import Cause, Fetched
from streamforge.bus.followed import Followed
from streamforge.bus.positions import Positions
from streamforge.bus.raw_fetch import fetch
from streamforge.bus.salvage import Piece, intact
from streamforge.errors import Rejected
from streamforge.progress import Partition

SECOND_LOOK_SECONDS = 0.5


class SecondLook:
    """Of one consumer; moves its positions, and leaves it to the caller to seek there."""

    def __init__(self, client: KafkaConsumer, connection: Connection, positions: Positions) -> None:
        self._client = client
        self._connection = connection
        self._positions = positions
        self._followed = Followed(client)

    def read(self, place: Partition, start: int, end: int) -> list[Fetched]:
        """What is intact at and beyond the position; the log reaches from `start` to `end`. Raises NotConnected."""
        positions = self._positions
        if positions.next[place] < start:
            positions.skip(place, start, Cause.EVICTED)
        found: list[Fetched] = []
        for piece in self._intact(place, start, end):
            found += self._taken(place, piece, end)
        if not found and positions.next[place] < end:
            positions.skip(place, end, Cause.CORRUPT)
        self._followed.note(place, positions.next[place])
        return found

    def _intact(self, place: Partition, start: int, end: int) -> list[Piece]:
        """Asked twice where it seems that there is nothing more: that would be the end of all that follows."""
        expected = self._positions.next[place]
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

    def _taken(self, place: Partition, piece: Piece, end: int) -> Iterator[Fetched]:
        """The records of an intact batch from the position on."""
        positions = self._positions
        try:
            records = [one for one in piece.batch.records() if one.offset >= positions.next[place]]
        except Rejected:  # its CRC is right and its content is none of ours: damaged before it was written
            positions.skip(place, min(piece.batch.last_offset + 1, end), Cause.CORRUPT)
            return
        for one in records:
            positions.skip(place, one.offset, Cause.CORRUPT if piece.is_after_damage else Cause.MISSING)
            yield positions.taken(
                Fetched(
                    partition=place,
                    offset=one.offset,
                    kafka_time_us=one.timestamp_us,
                    key=one.key or b"",
                    value=one.value or b"",
                    headers=one.headers,
                )
            )
