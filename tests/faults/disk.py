"""A disk whose power can be cut: an ext4 image on btrfs, and its snapshots by reflink.

What a cut loses: all that was still in the page cache of the ext4 file system, and the journal transaction that was
not yet committed; mounting the copy replays the journal, as after a real cut. What it keeps depends on the device:

- without a cache: every write that the block device had taken by that instant, flushed or not;
- with a volatile cache that is lost whole: only what was there at the device's last flush. The image then lies on a
  btrfs of its own, and the cut copies what *that* had written: a flush of the device is an fsync of the image there,
  and between two of them nothing of the image's new state is committed (its own commit, every 30 s, apart).

The copy is of one instant, because btrfs holds the image's lock while it clones, and the loop driver needs that lock
for each request it writes. The second kind is what LazyFS does to the files above it: everything that was not
synced is gone. `late.py` adds a third: a cache of which a part was written, in any order and torn anywhere. What none
can show is a device that lies about a flush.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.faults.late import Late, save
from tests.faults.mounts import image, mounted

_FICLONE = 0x40049409  # linux/fs.h: what `cp --reflink=always` calls
_MOST_TRIES = 50
_SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the device's own are
POOL_BYTES = 32 * 1024**3
SIZES_BYTES = {"btrfs": 4 * 1024**3, "ext4": 1024**3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The disk as it was at one instant between `began_seconds` and `ended_seconds` (monotonic).

    `late`: what its volatile cache held, of which a part may have been written; None = the cut lost all of it.
    """

    file: Path
    began_seconds: float
    ended_seconds: float
    late: Late | None = None


@contextmanager
def pool(directory: Path) -> Iterator[Path]:
    """Where images lie that can be copied by reference: a btrfs of our own."""
    with image(directory / "pool.img", "btrfs", POOL_BYTES, directory / "pool") as point:
        yield point


class Disk:
    """One image in a pool, mounted at `point` between `plug_in` and `pull_out`; a context manager that pulls it out."""

    def __init__(self, pool: Path, point: Path, *, has_cache: bool = False) -> None:
        self.file = pool / "disk.img"
        self.point = point
        cache = point.with_name(f"{point.name}-cache")
        self.cache_point = cache if has_cache else None
        self._layers = [(self.file, "ext4", point)]
        if has_cache:
            self._layers = [(self.file, "btrfs", cache), (cache / "disk.img", "ext4", point)]
        self._mounts = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pull_out()

    def make(self) -> None:
        """Make the empty file system and mount it."""
        for file, kind, point in self._layers:
            self._mounts.enter_context(image(file, kind, SIZES_BYTES[kind], point))

    def plug_in(self, source: Path, late: Late | None = None) -> None:
        """Become a copy of `source`, a snapshot, and mount it in its place; first write what came `late`."""
        self.pull_out()
        clone(source, self.file)
        for file, kind, point in self._layers:
            if late is not None and kind == "ext4":
                late.write(file)
            self._mounts.enter_context(mounted(file, kind, point))

    def pull_out(self) -> None:
        """Unmount in order; again does nothing."""
        self._mounts.close()

    def cut(self, name: str) -> Cut:
        """Cut the power for the copy that is returned; the disk itself goes on."""
        file = self.file.with_name(f"{name}.img")
        began = time.monotonic()
        clone(self.file, file)
        return Cut(file=file, began_seconds=began, ended_seconds=time.monotonic())

    def cut_with_a_part(self, name: str, seed: str) -> Cut:
        """The same, of a disk with a cache: some of what it held, drawn by the seed, was written when the power went.

        The cache and what lies behind it are two copies. They are of one state if no flush has ended between them.
        """
        cache = self.cache_point or Path("no cache")
        held, file = cache / f"{name}.img", self.file.with_name(f"{name}.late")
        for _ in range(_MOST_TRIES):
            before = self.flushes()
            made = self.cut(name)
            clone(cache / self.file.name, held)
            if self.flushes() == before:
                save(held, file)
                return replace(made, late=Late(file=file, seed=seed))
        msg = f"no two copies without a flush between them in {_MOST_TRIES} tries"
        raise TimeoutError(msg)

    @property
    def device(self) -> Path:
        """The node of the block device."""
        return Path("/dev") / _device(self.point).name

    def flushes(self) -> int:
        """How many flushes the block device was told so far."""
        return int((_device(self.point) / "stat").read_text().split()[15])

    def written_bytes(self) -> int:
        """How much was written to the block device so far."""
        return int((_device(self.point) / "stat").read_text().split()[6]) * _SECTOR_BYTES

    def cache(self) -> str:
        """What the block device says of its cache; `write back` = it is told to flush."""
        return (_device(self.point) / "queue" / "write_cache").read_text().strip()


def clone(source: Path, target: Path) -> None:
    """Copy a file by reference, of one instant; replaces `target`."""
    with source.open("rb") as read, target.open("wb") as written:
        fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())


def _device(point: Path) -> Path:
    number = point.stat().st_dev
    return Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
