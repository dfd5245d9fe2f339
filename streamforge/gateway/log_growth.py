"""Whether anything was appended to Kafka's log since the last look, from its files alone.

An append has made its segment longer before the broker acknowledges it, so two equal looks prove that nothing
acknowledged lies between them. Neither the counters of the disk nor those of the page cache can say that: the first do
not know what is not yet written, the second may be a second late.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from streamforge.gateway.listings import Listings


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One directory of the log: when it changed, and its newest segment, which alone grows ("" = none)."""

    path: Path
    time_ns: int
    segment: str = ""
    size_bytes: int = 0
    segment_time_ns: int = 0


class LogGrowth:
    """Kafka's data directory, looked at again and again; a directory is listed only after it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folders, self._segments = Listings(directories), Listings(_newest_segment)

    def look(self) -> tuple[Partition, ...] | None:
        """What the log is like now, to be compared with another look; None where it cannot be seen."""
        try:
            paths = [self._folder / name for name in self._folders.look(self._folder).content]
            self._segments.forget_all_but(paths)
            return tuple(self._partition(path) for path in paths)
        except OSError:  # no right to, no log yet, or a topic is just being removed
            return None

    def _partition(self, path: Path) -> Partition:
        listing = self._segments.look(path)
        if not listing.content:
            return Partition(path=path, time_ns=listing.time_ns)
        seen = (path / listing.content).stat()
        return Partition(
            path=path,
            time_ns=listing.time_ns,
            segment=listing.content,
            size_bytes=seen.st_size,
            segment_time_ns=seen.st_mtime_ns,
        )


def directories(path: Path) -> tuple[str, ...]:
    """The names of the directories in one, sorted. Raises OSError."""
    with os.scandir(path) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir()))


def _newest_segment(path: Path) -> str:
    """Segments are named by their first offset, in 20 digits; "" = there is none."""
    with os.scandir(path) as entries:
        return max((entry.name for entry in entries if entry.name.endswith(".log")), default="")
