"""A file that is in nobody's way until the disk is full: then it is given up, so that the broker can start.

A broker whose disk is full ends, and cannot start to delete anything: its own metadata log needs room first.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from streamforge.gateway.doctor.report import Finding
from streamforge.gateway.topics import BALLAST_BYTES

FILE = "ballast"
BYTES = BALLAST_BYTES
# Below either the broker is about to end, or does not start.
LEAST_FREE_BYTES, LEAST_FREE_PERCENT = BYTES, 2
# A start with less is not tried: a broker that finds the disk full while it reads its log can take the log of its
# metadata for corrupt, delete it, and so lose sight of every topic (seen with Kafka 4.2.2).
START_BYTES = 16 * 1024 * 1024
# It is made only where it takes a tenth of what is free.
ROOM = 10
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Room:
    """A file system as a service sees it: what root has in reserve is not free."""

    free_bytes: int
    total_bytes: int

    @property
    def is_short(self) -> bool:
        """Whether so little is free that the ballast must go."""
        return self.free_bytes < max(LEAST_FREE_BYTES, self.total_bytes * LEAST_FREE_PERCENT // 100)

    @property
    def is_full(self) -> bool:
        """Whether so little is free that no broker may be started."""
        return self.free_bytes < START_BYTES

    def __str__(self) -> str:
        return f"{self.free_bytes // _MIB} of {self.total_bytes // _MIB} MiB are free"


def room(directory: Path) -> Room:
    """The file system on which a directory lies."""
    seen = os.statvfs(directory)
    return Room(seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize)


def release(kafka: Path, seen: Room) -> list[Finding]:
    """Give the ballast up where the disk is short; said also where there is none left to give."""
    if not seen.is_short:
        return []
    path = kafka / FILE
    if not path.exists():
        return [Finding(file=FILE, wrong=str(seen), done="none is left to release", is_grave=True)]
    size = path.stat().st_size
    path.unlink()
    return [Finding(file=FILE, wrong=str(seen), done=f"released {size // _MIB} MiB", is_grave=True)]


def make(kafka: Path, seen: Room, size_bytes: int = BYTES) -> list[Finding]:
    """Make the ballast where it is missing and there is room. Raises OSError."""
    path = kafka / FILE
    if (path.exists() and path.stat().st_size == size_bytes) or seen.free_bytes < ROOM * size_bytes:
        return []
    draft = path.with_name(f".{FILE}.part")
    with draft.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
        os.fsync(file.fileno())
    draft.rename(path)
    return [Finding(file=FILE, wrong="missing", done=f"made, {size_bytes // _MIB} MiB")]
