"""The log of a simulated broker: partitions in memory, a durable watermark, and what a power cut leaves of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from streamforge.model import Topic
from streamforge.progress import Headers, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record as it stands on the log."""

    offset: int
    key: bytes
    value: bytes
    headers: Headers
    time_ms: int


@dataclass(slots=True)
class Stand:
    """One partition: what it has from `start` on, up to where the disk has it, and what it has no more."""

    start: int = 0
    entries: list[Entry] = field(default_factory=list)
    durable_end: int = 0
    evicted: list[Entry] = field(default_factory=list)
    torn: list[tuple[int, Entry]] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The offset that the next record gets."""
        return self.start + len(self.entries)


class Log:
    """All partitions of all topics; one partition a topic, as shipped."""

    def __init__(self, wall_us: Callable[[], int]) -> None:
        self._wall_us = wall_us
        self.stands = {Partition(topic.value): Stand() for topic in Topic}
        self.barriers = 0
        self.cuts = 0

    def append(self, place: Partition, key: bytes, value: bytes, headers: Headers) -> int:
        """Add one record, to the page cache; its offset."""
        stand = self.stands[place]
        entry = Entry(offset=stand.end, key=key, value=value, headers=headers, time_ms=self._wall_us() // 1000)
        stand.entries.append(entry)
        return entry.offset

    def barrier(self, ends: Mapping[Partition, int] | None = None) -> None:
        """A sync of the whole file system has ended well; `ends`: what stood when it began, by default all."""
        self.barriers += 1
        for place, stand in self.stands.items():
            stand.durable_end = max(stand.durable_end, stand.end if ends is None else ends[place])

    def evict(self, place: Partition, count: int) -> None:
        """The start moves forward by `count` records that are on the disk; the newest record always stays."""
        stand = self.stands[place]
        count = max(0, min(count, len(stand.entries) - 1, stand.durable_end - stand.start))
        stand.evicted += stand.entries[:count]
        del stand.entries[:count]
        stand.start += count

    def cut(self, draw: Random) -> dict[Partition, int]:
        """The power goes: beyond the watermark a random part of the tail survives, as a prefix. The new ends."""
        self.cuts += 1
        for stand in self.stands.values():
            unsynced = stand.end - stand.durable_end
            survivors = draw.choice((0, unsynced, draw.randint(0, unsynced)))
            kept = stand.durable_end - stand.start + survivors
            stand.torn += [(self.cuts, entry) for entry in stand.entries[kept:]]
            del stand.entries[kept:]
            stand.durable_end = stand.end
        return {place: stand.end for place, stand in self.stands.items()}
