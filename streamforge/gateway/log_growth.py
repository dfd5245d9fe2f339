"""Whether anything was appended to Kafka's log since the last look, from its files alone.

An append has made its segment longer before the broker acknowledges it, so two equal looks prove that nothing
acknowledged lies between them. Neither the counters of the disk nor those of the page cache can say that: the first do
not know what is not yet written, the second may be a second late.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One directory of the log: when it changed, and its newest segment, which alone grows ("" = none)."""

    path: Path
    time_ns: int
    segment: str = ""
    size_bytes: int = 0
    segment_time_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    time_ns: int
    names: tuple[str, ...]
    is_settled: bool


class LogGrowth:
    """Kafka's data directory, looked at again and again; a directory is listed only after it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[Path, _Listing] = {}

    def look(self) -> tuple[Partition, ...] | None:
        """What the log is like now, to be compared with another look; None where it cannot be seen."""
        known, self._listings = self._listings, {}
        try:
            top = self._list(self._folder, known, _directories)
            return tuple(self._partition(self._folder / name, known) for name in top.names)
        except OSError:  # no right to, no log yet, or a topic is just being removed
            return None

    def _partition(self, path: Path, known: dict[Path, _Listing]) -> Partition:
        listing = self._list(path, known, _newest_segment)
        if not listing.names:
            return Partition(path=path, time_ns=listing.time_ns)
        (name,) = listing.names
        seen = (path / name).stat()
        return Partition(
            path=path,
            time_ns=listing.time_ns,
            segment=name,
            size_bytes=seen.st_size,
            segment_time_ns=seen.st_mtime_ns,
        )

    def _list(self, path: Path, known: dict[Path, _Listing], select: Callable[[Path], tuple[str, ...]]) -> _Listing:
        """As listed before, unless the directory changed.

        The clock of files stands still for some milliseconds, so an entry may come after a listing and leave the
        directory's time as it was: a listing counts for good only when it was repeated at the next look.
        """
        time_ns = path.stat().st_mtime_ns
        before = known.get(path)
        is_same = before is not None and before.time_ns == time_ns
        if before is not None and is_same and before.is_settled:
            now = before
        else:
            now = _Listing(time_ns=time_ns, names=select(path), is_settled=is_same)
        self._listings[path] = now
        return now


def _directories(path: Path) -> tuple[str, ...]:
    with os.scandir(path) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir()))


def _newest_segment(path: Path) -> tuple[str, ...]:
    """Segments are named by their first offset, in 20 digits."""
    with os.scandir(path) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.name.endswith(".log"))[-1:])
