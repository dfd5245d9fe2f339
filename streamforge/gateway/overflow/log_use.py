"""The log as its files are: partitions, their segments, and what all of it takes on the disk. No broker is asked."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from streamforge.gateway.listings import Listings
from streamforge.gateway.log_growth import directories
from streamforge.progress import Partition

_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own (stat(2))
_LOG, _DELETED = ".log", ".deleted"
_DIGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment: its first offset, and what it takes with its indexes. `written_ns` serves to order, no more."""

    first: int
    size_bytes: int
    written_ns: int
    is_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLog:
    """One partition with its segments, oldest first, and all that its folder takes.

    `going_bytes` of that are files that the broker has renamed and removes in a moment.
    """

    place: Partition
    segments: tuple[Segment, ...]
    size_bytes: int
    going_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLook:
    """The whole log at one moment."""

    size_bytes: int = 0
    partitions: tuple[PartitionLog, ...] = ()

    def topic_bytes(self, topic: str) -> int:
        """What all partitions of a topic take."""
        return sum(one.size_bytes for one in self.partitions if one.place.topic == topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A folder as it was listed: the newest segment grows meanwhile."""

    log: PartitionLog
    newest: tuple[str, ...]
    newest_bytes: int


class LogUse:
    """Kafka's data directory, looked at again and again; a folder is listed only after it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings = Listings(_listed)

    def look(self) -> LogLook:
        """What the log takes now. A log that is not there takes nothing. Raises OSError where it may not be seen."""
        try:
            paths = [self._folder / name for name in directories(self._folder)]
        except FileNotFoundError:
            return LogLook()
        self._listings.forget_all_but(paths)
        partitions = [one for path in paths if (one := self._partition(path))]
        return LogLook(size_bytes=sum(one.size_bytes for one in partitions), partitions=tuple(partitions))

    def _partition(self, path: Path) -> PartitionLog | None:
        try:
            listed = self._listings.look(path).content
            grown = _taken(path, listed.newest) - listed.newest_bytes
        except FileNotFoundError:  # a topic is just being removed
            return None
        return replace(listed.log, size_bytes=listed.log.size_bytes + grown)


def _listed(path: Path) -> _Listed:
    """Every file by its stem. One that vanishes meanwhile takes nothing; a folder of another name has no segments."""
    sizes: dict[str, int] = {}
    files: dict[str, list[str]] = {}
    logs: dict[str, os.stat_result] = {}
    going_bytes = 0
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                seen = entry.stat()
            except FileNotFoundError:
                continue
            if entry.name.endswith(_DELETED):
                going_bytes += seen.st_blocks * _BLOCK_BYTES
                continue
            stem = entry.name.partition(".")[0]
            sizes[stem] = sizes.get(stem, 0) + seen.st_blocks * _BLOCK_BYTES
            files.setdefault(stem, []).append(entry.name)
            if entry.name == stem + _LOG and len(stem) == _DIGITS and stem.isdecimal():
                logs[stem] = seen
    newest = max(logs, default="")
    return _Listed(
        log=PartitionLog(
            place=_place(path.name),
            segments=_segments(logs, sizes),
            size_bytes=sum(sizes.values(), start=going_bytes),
            going_bytes=going_bytes,
        ),
        newest=tuple(files.get(newest, ())),
        newest_bytes=sizes.get(newest, 0),
    )


def _segments(logs: dict[str, os.stat_result], sizes: dict[str, int]) -> tuple[Segment, ...]:
    return tuple(
        Segment(
            first=int(stem), size_bytes=sizes[stem], written_ns=logs[stem].st_mtime_ns, is_empty=not logs[stem].st_size
        )
        for stem in sorted(logs)
    )


def _place(name: str) -> Partition:
    topic, _, number = name.rpartition("-")
    return Partition(topic, int(number)) if topic and number.isdecimal() else Partition(name)


def _taken(path: Path, names: Iterable[str]) -> int:
    total = 0
    for name in names:
        try:
            total += (path / name).stat().st_blocks * _BLOCK_BYTES
        except FileNotFoundError:
            continue
    return total
