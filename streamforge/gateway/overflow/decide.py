"""From cuts to evictions: what of them is still there, and when it was written. In the helper process."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from streamforge.bus.reader import Reader
from streamforge.clock import now_us
from streamforge.errors import NotConnected
from streamforge.gateway.overflow.eviction import RETENTION, Eviction, undelivered
from streamforge.gateway.overflow.plan import Cut
from streamforge.progress import Partition

TIME_SECONDS = 1.0


def decide(reader: Reader, cuts: Sequence[Cut], starts: Mapping[Partition, int], reason: str) -> list[Eviction]:
    """The evictions to note, tell and make. `starts`: where those partitions begin. Raises StreamForgeError."""
    gone = [_eviction(cut, cut.gone_from, RETENTION, reader) for cut in cuts if cut.gone_from is not None]
    there = [cut for cut in cuts if cut.gone_from is None and starts[cut.place] < cut.end]
    return [*gone, *(_timed(reader, cut, starts[cut.place], reason) for cut in there)]


def _timed(reader: Reader, cut: Cut, first: int, reason: str) -> Eviction:
    oldest, newest = (_time_us(reader, cut.place, offset) for offset in (first, cut.end - 1))
    return _eviction(cut, first, reason, reader, oldest_us=oldest, newest_us=newest)


def _eviction(cut: Cut, first: int, reason: str, reader: Reader, *, oldest_us: int = 0, newest_us: int = 0) -> Eviction:
    return Eviction(
        topic=cut.place.topic,
        number=cut.place.number,
        first=first,
        end=cut.end,
        size_bytes=cut.size_bytes,
        oldest_us=oldest_us,
        newest_us=newest_us,
        incarnation=reader.incarnations.current,
        decided_us=now_us(),
        tier=reason,
        undelivered=undelivered(cut, first),
    )


def _time_us(reader: Reader, place: Partition, offset: int) -> int:
    """When the log took a record; 0 where it cannot be read (any more)."""
    with suppress(NotConnected):
        for fetched in reader.stretch(place, offset, offset + 1, TIME_SECONDS):
            return fetched.kafka_time_us
    return 0
