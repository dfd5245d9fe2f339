"""Kafka's log segments read from the disk, without a broker: intact batches, and the damage between them.

Source: Kafka documentation, "Log": a partition is a folder `<topic>-<n>` of files `<base offset, 20 digits>.log`, each
a run of record batches. Offsets grow; those of one file lie from its name up to the name of the next.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from streamforge.codec import segment_bytes
from streamforge.codec.log_batches import Batch, LogRecord
from streamforge.codec.segment_walk import Damage, DamageKind, Walk, hole

__all__ = ["Batch", "Damage", "DamageKind", "LogRecord", "base_of", "segments", "valid_end", "walk", "walk_segment"]

SUFFIX = ".log"
_DIGITS = 20
_LARGEST_OFFSET = 2**63 - 1


def segments(partition_directory: Path) -> list[Path]:
    """The segments of a partition, by base offset. Raises OSError where the folder cannot be read."""
    return sorted(path for path in partition_directory.iterdir() if base_of(path) is not None)


def base_of(path: Path) -> int | None:
    """The base offset in a segment's name; None for any other file (indexes, what is being deleted)."""
    stem = path.name.removesuffix(SUFFIX)
    is_segment = path.name.endswith(SUFFIX) and len(stem) == _DIGITS and stem.isascii() and stem.isdigit()
    return int(stem) if is_segment and int(stem) <= _LARGEST_OFFSET else None


def walk(partition_directory: Path) -> Iterator[Batch | Damage]:
    """Every intact batch of a partition in order of offsets, and the damage between, segments missing among them.

    Raises OSError where a file may not be read; a bad disk is Damage.
    """
    expected: int | None = None
    for path, base, next_base in _in_order(segments(partition_directory)):
        if expected is not None and base > expected:
            yield hole(path, 0, expected, base, "the segment before is missing or ends early")
        expected = base
        for found in walk_segment(path, next_base=next_base):
            if isinstance(found, Batch):
                expected = found.last_offset + 1
            elif found.next_offset is not None:
                expected = found.next_offset
            yield found


def walk_segment(path: Path, *, next_base: int | None = None) -> Iterator[Batch | Damage]:
    """The same of one file. `next_base` is the base of the following segment, None for the newest.

    Raises OSError where the file may not be read, ValueError where its name is not a segment's.
    """
    base = base_of(path)
    if base is None:
        msg = f"{path.name} is not the name of a segment"
        raise ValueError(msg)
    opened = _open(path, base, next_base)
    if isinstance(opened, Damage):
        yield opened
    else:
        yield from opened.run()


def _open(path: Path, base: int, next_base: int | None) -> Walk | Damage:
    try:
        return Walk(path, segment_bytes.read(path), base, next_base)
    except OSError as error:
        if not segment_bytes.is_bad_medium(error):
            raise
        return replace(hole(path, 0, base, next_base, str(error.strerror)), kind=DamageKind.UNREADABLE)


def valid_end(partition_directory: Path, from_offset: int = 0) -> int:
    """The next offset after the last intact record, as Kafka's recovery would truncate the partition.

    It stops at the first batch that is not intact; later segments count no more. Segments wholly below `from_offset`
    (a recovery point) are trusted. Without any segment it is `from_offset`. Kafka takes a hole in the offsets for good,
    and so does this. Where offsets go backwards with right CRCs, Kafka empties the segment; this stops before.
    """
    files = segments(partition_directory)
    while len(files) > 1 and (base_of(files[1]) or 0) <= from_offset:
        files.pop(0)
    end = from_offset
    for path, base, next_base in _in_order(files):
        end, is_whole = _intact(path, base, next_base)
        if not is_whole:
            break
    return end


def _intact(path: Path, base: int, next_base: int | None) -> tuple[int, bool]:
    """The next offset after the intact batches that one file begins with, and whether it holds nothing else."""
    opened = _open(path, base, next_base)
    if isinstance(opened, Damage):
        return base, False
    position = opened.skip()
    end = opened.next_offset
    for found in opened.run(position):
        if isinstance(found, Batch):
            end = found.last_offset + 1
        elif found.kind is not DamageKind.MISSING:
            return end, False
    return end, True


def _in_order(files: list[Path]) -> Iterator[tuple[Path, int, int | None]]:
    """Each segment with its base and that of the next."""
    bases = [base_of(path) or 0 for path in files]
    for number, (path, base) in enumerate(zip(files, bases, strict=True)):
        yield path, base, bases[number + 1] if number + 1 < len(files) else None
