"""Files of compressed NDJSON: the embedded default, for a customer who collects files or has nothing running yet.

Exactly once without a sync per write: each write appends one gzip member that carries the progress after it. A torn
tail is cut off at connect, and what it held is read from the log again. See docs/sinks/file.md.
"""

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from streamforge.config import Bounds
from streamforge.durable import sync_directory
from streamforge.errors import Rejected
from streamforge.progress import Progress, Stored
from streamforge.sinks.base import Sink, SinkConfig
from streamforge.sinks.gzip_log import Member, member, whole_members
from streamforge.sinks.lines import Layout, encode
from streamforge.sinks.repeats import fresh, in_batch

_ROTATED = re.compile(r"(\d{8,})_.*\.ndjson\.gz")
_NAMED_PARTITIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig(SinkConfig):
    """Keys of `sinks/file/<instance>.toml`; see file.toml."""

    directory: str = ""
    layout: Layout = Layout.READING
    rotate_bytes: Annotated[int, Bounds(65_536)] = 67_108_864
    rotate_age_seconds: Annotated[int, Bounds(1)] = 3_600
    max_bytes: Annotated[int, Bounds(131_072)] = 2_147_483_648
    compression_level: Annotated[int, Bounds(1, 9)] = 1

    def __post_init__(self) -> None:
        SinkConfig.__post_init__(self)
        if self.max_bytes < 2 * self.rotate_bytes:
            msg = f"max_bytes ({self.max_bytes}) is at least twice rotate_bytes ({self.rotate_bytes})"
            raise ValueError(msg)


class FileSink(Sink[FileConfig]):
    """Appends to `<instance>.ndjson.gz.part` and rotates it to a numbered name."""

    Config = FileConfig

    def __init__(self, config: FileConfig, instance: str) -> None:
        super().__init__(config, instance)
        self.directory = _directory(config.directory, instance)
        self.part = self.directory / f"{instance}.ndjson.gz.part"
        self._handle: int | None = None
        self._progress = Progress()
        self._size_bytes = 0
        self._opening_bytes = 0
        self._opened_seconds = 0

    def connect(self) -> Progress:
        """Cut off a torn tail, answer the progress of the last whole member. Raises OSError naming the path."""
        self.close()
        self.directory.mkdir(parents=True, exist_ok=True)
        handle = self._open_part()
        size_bytes = os.fstat(handle).st_size
        found = whole_members(handle, size_bytes)
        if found:
            self._resume(found)
            if size_bytes > self._size_bytes:
                os.ftruncate(handle, self._size_bytes)
        else:
            os.ftruncate(handle, 0)
            self._begin(self._newest_rotated_progress())
        self._remove_oldest()
        return self._progress

    def write(self, batch: Sequence[Stored], progress: Progress) -> None:
        """Append one member with these records. Raises OSError (disk full, path gone), Rejected for what is no JSON."""
        self._rotate_if_due()
        new = fresh(batch, self._progress, progress)
        try:
            payload = encode(new, self.config.layout)
        except Rejected as error:
            raise in_batch(error, new, batch) from error
        self._append(payload, progress)
        self._progress = progress

    def close(self) -> None:
        """Sync and let go."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):  # what could not be synced is found torn and read again
                os.fsync(handle)
            os.close(handle)

    def _open_part(self) -> int:
        handle = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._handle = handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise BlockingIOError(errno.EAGAIN, "another process writes this file", str(self.part)) from error
        return handle

    def _resume(self, found: list[Member]) -> None:
        self._progress = found[-1].progress
        self._size_bytes = found[-1].end
        self._opening_bytes = found[0].end
        self._opened_seconds = found[0].time_seconds

    def _begin(self, progress: Progress) -> None:
        """Start a part with an empty member, so that progress stays here when somebody takes the rotated files away."""
        self._size_bytes = 0
        self._append(b"", progress)
        self._progress = progress
        self._opening_bytes = self._size_bytes
        self._opened_seconds = int(time.time())

    def _append(self, payload: bytes, progress: Progress) -> None:
        if self._handle is None:
            raise OSError(errno.ENOTCONN, "not connected", str(self.part))
        data = member(payload, progress, level=self.config.compression_level)
        try:
            written = os.write(self._handle, data)
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.part))
        except OSError:
            self.close()  # the tail may be torn: only connect knows how to go on
            raise
        self._size_bytes += len(data)

    def _rotate_if_due(self) -> None:
        is_empty = self._size_bytes <= self._opening_bytes
        age_seconds = time.time() - self._opened_seconds
        is_old = not 0 <= age_seconds < self.config.rotate_age_seconds  # a clock that stepped back rotates too
        if self._handle is not None and not is_empty and (is_old or self._size_bytes >= self.config.rotate_bytes):
            self._rotate(self._handle)

    def _rotate(self, handle: int) -> None:
        """Data first, then the name, then the new part: a crash between any two of them is found by connect."""
        os.fsync(handle)
        self.part.rename(self.directory / self._rotated_name())
        self.close()
        opened = self._open_part()
        self._begin(self._progress)
        os.fsync(opened)
        self._remove_oldest()
        sync_directory(self.directory)

    def _rotated_name(self) -> str:
        """Number (order of writing), time of opening, then the next offset of each partition."""
        number = max((_number(path) for path in self._rotated()), default=0) + 1
        opened = datetime.fromtimestamp(self._opened_seconds, UTC).strftime("%Y%m%dT%H%M%SZ")
        positions = sorted(self._progress.positions.items())
        offsets = [f"{part.topic}.{part.number}.{at.next_offset}" for part, at in positions[:_NAMED_PARTITIONS]]
        if len(positions) > _NAMED_PARTITIONS:
            offsets.append(f"and-{len(positions) - _NAMED_PARTITIONS}-more")
        return "_".join((f"{number:08d}", opened, *offsets)) + ".ndjson.gz"

    def _rotated(self) -> list[Path]:
        """Rotated files, oldest first."""
        return sorted((path for path in self.directory.iterdir() if _ROTATED.fullmatch(path.name)), key=_number)

    def _newest_rotated_progress(self) -> Progress:
        for path in reversed(self._rotated()):
            with path.open("rb") as file:
                found = whole_members(file.fileno(), path.stat().st_size)
            if found:
                return found[-1].progress
        return Progress()

    def _remove_oldest(self) -> None:
        sizes = [(path, path.stat().st_size) for path in self._rotated()]
        total_bytes = self._size_bytes + sum(size for _, size in sizes)
        for path, size_bytes in sizes:
            if total_bytes + self.config.rotate_bytes <= self.config.max_bytes:
                break
            path.unlink(missing_ok=True)  # the customer's collector may have been quicker
            total_bytes -= size_bytes


def _directory(configured: str, instance: str) -> Path:
    if configured:
        return Path(configured)
    if state := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(state.split(":")[0])
    return Path(os.environ.get("STREAMFORGE_ROOT", "/var/lib/streamforge")) / "export" / instance


def _number(path: Path) -> int:
    found = _ROTATED.fullmatch(path.name)
    return int(found[1]) if found else 0
