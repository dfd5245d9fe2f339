"""Logs beyond repair: moved to `kafka/aside/<n>/`, kept until a person removes them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from streamforge.clock import now_us
from streamforge.gateway.doctor.copies import DIRECTORY as COPIES
from streamforge.gateway.doctor.report import boot_id
from streamforge.gateway.durable import sync_directory, write_durably

DIRECTORY, DATA, WHY = "aside", "data", "why.json"
_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideLog:
    """One log that was set aside. `size_bytes` is what it takes on the disk; `starts`: why each start failed."""

    number: int
    time_us: int
    boot_id: str
    reason: str
    size_bytes: int
    starts: tuple[str, ...] = ()


def set_aside(kafka: Path, reason: str, starts: Iterable[str]) -> AsideLog:
    """Move the log and the copies of its small files to the next number; nothing is removed. Raises OSError."""
    place = kafka / DIRECTORY / str(max([0, *_numbers(kafka)]) + 1)
    place.mkdir(parents=True)
    log = AsideLog(
        number=int(place.name),
        time_us=now_us(),
        boot_id=boot_id(),
        reason=reason,
        size_bytes=_size_bytes(kafka / DATA),
        starts=tuple(starts),
    )
    write_durably(place / WHY, json.dumps(asdict(log), indent=1).encode(), mode=_MODE)
    for name in (COPIES, DATA):
        if (kafka / name).exists():
            (kafka / name).rename(place / name)
    for directory in (place, place.parent, kafka):
        sync_directory(directory)
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
        return AsideLog(number=number, time_us=0, boot_id="", reason="not known", size_bytes=size)


def _numbers(kafka: Path) -> list[int]:
    directory = kafka / DIRECTORY
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def _size_bytes(directory: Path) -> int:
    return sum(size for path in directory.rglob("*") for size in _blocks(path))


def _blocks(path: Path) -> Iterator[int]:
    try:
        yield path.lstat().st_blocks * 512
    except OSError:
        return
