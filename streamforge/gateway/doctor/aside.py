"""Logs beyond repair: moved to `kafka/aside/<n>/`, kept until a person removes them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from streamforge.clock import now_us
from streamforge.durable import sync_directory, write_durably
from streamforge.gateway.doctor.copies import DIRECTORY as COPIES
from streamforge.gateway.doctor.layout import strays
from streamforge.gateway.doctor.report import boot_id

DIRECTORY, DATA, WHY = "aside", "data", "why.json"
STRAYS = "partitions that the broker's metadata did not know"
_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideLog:
    """One log that was set aside. `size_bytes` is what it takes on the disk; `starts`: why each start failed."""

    reason: str
    number: int = 0
    time_us: int = 0
    boot_id: str = ""
    size_bytes: int = 0
    starts: tuple[str, ...] = ()


def set_aside(kafka: Path, reason: str, starts: Iterable[str]) -> AsideLog:
    """Move the log and the copies of its small files to the next number; nothing is removed. Raises OSError."""
    return _moved(kafka, [COPIES, DATA], AsideLog(reason=reason, starts=tuple(starts)))


def keep_strays(kafka: Path) -> AsideLog | None:
    """Move what the broker took for strays out of its log to the next number; None where there is none. Raises OSError.

    It does so with a topic that its metadata does not know (any more), also where that is what was damaged.
    """
    names = [str(path.relative_to(kafka)) for path in strays(kafka / DATA)]
    return _moved(kafka, names, AsideLog(reason=f"{STRAYS}: {len(names)}")) if names else None


def keep_copy(kafka: Path, name: str, reason: str) -> AsideLog:
    """Copy one file of the log, which goes on without a part of it, to the next number. Raises OSError."""
    place = _next(kafka)
    log = _noted(place, [kafka / name], AsideLog(reason=reason))
    copy = place / name
    copy.parent.mkdir(parents=True)
    write_durably(copy, (kafka / name).read_bytes(), mode=_MODE)
    for directory in (place, place.parent):
        sync_directory(directory)
    return log


def _moved(kafka: Path, names: Iterable[str], log: AsideLog) -> AsideLog:
    """The reason first, then the moves: what is cut short is listed, and the rest is moved at the next start."""
    place = _next(kafka)
    there = [name for name in names if (kafka / name).exists()]
    log = _noted(place, [kafka / name for name in there if name != COPIES], log)
    for name in there:
        (place / name).parent.mkdir(exist_ok=True)
        (kafka / name).rename(place / name)
    for directory in (place, place.parent, kafka):
        sync_directory(directory)
    return log


def _next(kafka: Path) -> Path:
    place = kafka / DIRECTORY / str(max([0, *_numbers(kafka)]) + 1)
    place.mkdir(parents=True)
    return place


def _noted(place: Path, paths: Iterable[Path], log: AsideLog) -> AsideLog:
    """With what it is about, on the disk."""
    size = sum(_size_bytes(path) for path in paths)
    log = replace(log, number=int(place.name), time_us=now_us(), boot_id=boot_id(), size_bytes=size)
    write_durably(place / WHY, json.dumps(asdict(log), indent=1).encode(), mode=_MODE)
    return log


def bring_back(kafka: Path, number: int) -> None:
    """Put a log that was set aside back into its place, which is empty. Raises OSError."""
    place = kafka / DIRECTORY / str(number)
    for name in (COPIES, DATA):
        if (place / name).exists():
            (place / name).rename(kafka / name)
    (place / WHY).unlink(missing_ok=True)
    place.rmdir()
    sync_directory(kafka)


def listed(kafka: Path) -> list[AsideLog]:
    """All that are kept, in order; one whose `why.json` is gone has its number and size alone."""
    return [_read(kafka / DIRECTORY / str(number)) for number in _numbers(kafka)]


def _read(place: Path) -> AsideLog:
    number = int(place.name)
    try:
        raw = json.loads((place / WHY).read_text())
        return AsideLog(**raw | {"number": number, "starts": tuple(raw["starts"])})
    except (OSError, ValueError, TypeError, KeyError):
        size = _size_bytes(place / DATA)
        return AsideLog(reason="not known", number=number, size_bytes=size)


def _numbers(kafka: Path) -> list[int]:
    directory = kafka / DIRECTORY
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def _size_bytes(place: Path) -> int:
    return sum(size for path in (place, *place.rglob("*")) for size in _blocks(path))


def _blocks(path: Path) -> Iterator[int]:
    try:
        yield path.lstat().st_blocks * 512
    except OSError:
        return
