"""What a disk with a volatile cache still wrote while its power went: any part of what it held, in any order.

A drive may write what it was given and not told to flush in whatever order it likes, and stop in the middle of a
block. So of the sectors in which the cache and what lies behind it differ, each one is drawn: written, or lost. The
block size of the draw is drawn, too: whole pages of 4 KiB, as most drives write, or single sectors of 512 bytes, which
tears pages.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNITS_BYTES = (512, 4096)
_CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """`file`: the whole image as the cache had it. The seed draws what of it was written."""

    file: Path
    seed: str

    def write(self, image: Path) -> int:
        """Write the drawn part of what differs into the image; how many bytes of how many that differ are."""
        draw = random.Random(f"{self.seed}:late")
        unit, share = draw.choice(UNITS_BYTES), draw.uniform(0.1, 0.9)
        written = 0
        with image.open("r+b") as target, self.file.open("rb") as held:
            for at in _allocated(held.fileno()):
                new, old = os.pread(held.fileno(), _CHUNK_BYTES, at), os.pread(target.fileno(), _CHUNK_BYTES, at)
                for start in _differing(new, old, unit):
                    if draw.random() < share:
                        written += os.pwrite(target.fileno(), new[start : start + unit], at + start)
            os.fsync(target.fileno())
        return written


def save(held: Path, file: Path) -> None:
    """Copy an image to another file system, its holes left out, and remove it."""
    with held.open("rb") as source, file.open("wb") as target:
        target.truncate(held.stat().st_size)
        for at in _allocated(source.fileno()):
            os.pwrite(target.fileno(), os.pread(source.fileno(), _CHUNK_BYTES, at), at)
    held.unlink()


def _differing(new: bytes, old: bytes, unit: int) -> Iterator[int]:
    if new != old:
        yield from (
            start for start in range(0, len(new), unit) if new[start : start + unit] != old[start : start + unit]
        )


def _allocated(descriptor: int) -> Iterator[int]:
    """Where the chunks begin that are not one hole."""
    at, end = 0, os.fstat(descriptor).st_size
    while at < end:
        try:
            first = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            return  # ENXIO: only a hole is left
        at = first - first % _CHUNK_BYTES
        yield at
        at += _CHUNK_BYTES
