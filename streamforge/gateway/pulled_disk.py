"""Where the log lies on a disk that was pulled out of a gateway, whichever way it is mounted or was copied. Reads only.

A partition is a folder `<topic>-<n>` (Kafka documentation, "Log"). A broker that does not know a partition any more,
as after the loss of its metadata, renames its folder to `<topic>-<n>.<id>-stray`: that is data all the same.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamforge.progress import Partition

META = "meta.properties"
KAFKA = ("", "kafka", "lib/streamforge/kafka", "var/lib/streamforge/kafka")
"""Below DIR: the folder `kafka` itself, that of /var/lib/streamforge, of the data partition, of a whole system."""
INTERNAL = frozenset({"__consumer_offsets", "__cluster_metadata", "__transaction_state", "streamforge.canary"})
_FOLDER = re.compile(r"(?P<topic>[\w.-]{1,249})-(?P<number>\d{1,9})(?P<stray>\.[\w-]+-stray)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One broker's data directory. `name` is "" for the one in use, `aside-<n>` for one moved out of the way."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The folder of one partition; `is_stray` where the broker had disowned it."""

    log: Log
    path: Path
    partition: Partition
    is_stray: bool = False

    @property
    def stem(self) -> Path:
        """The name of what is made of it, relative, without an ending."""
        stray = "-stray" if self.is_stray else ""
        return Path(self.log.name) / f"{self.partition.topic}-{self.partition.number}{stray}"


def logs(directory: Path) -> list[Log]:
    """The logs at or below the directory, that in use first. Raises OSError for what may not be read."""
    if _is_log(directory):
        return [Log(name="", path=directory)]
    found: list[Log] = []
    for kafka in (directory / place for place in KAFKA):
        found += [Log(name="", path=path) for path in (kafka / "data",) if _is_log(path)]
        for aside in sorted(_entries(kafka / "aside")):
            paths = (aside, aside / "data")
            found += [Log(name=f"aside-{aside.name}", path=path) for path in paths if _is_log(path)]
    return found


def looked_for(directory: Path) -> str:
    """What `logs` knows, in words."""
    places = ", ".join(str(directory / place / "data") for place in KAFKA)
    return f"{META} or a folder <topic>-<n> in {directory}, {places}, or in kafka/aside/<n> beside them"


def folders(log: Log) -> Iterator[Folder]:
    """The partitions of a log by topic and number, without those of the broker's own."""
    found = [folder for path in _entries(log.path) if (folder := _folder(log, path))]
    yield from sorted(found, key=lambda one: (one.partition, one.is_stray))


def _folder(log: Log, path: Path) -> Folder | None:
    matched = _FOLDER.fullmatch(path.name)
    if matched is None or not path.is_dir() or matched["topic"] in INTERNAL:
        return None
    place = Partition(matched["topic"], int(matched["number"]))
    return Folder(log=log, path=path, partition=place, is_stray=matched["stray"] is not None)


def _is_log(path: Path) -> bool:
    return any(
        one.name == META or (_FOLDER.fullmatch(one.name) and any(each.suffix == ".log" for each in _entries(one)))
        for one in _entries(path)
    )


def _entries(path: Path) -> list[Path]:
    """What a folder holds; nothing where there is no folder."""
    try:
        with os.scandir(path) as found:
            return [path / entry.name for entry in found]
    except (FileNotFoundError, NotADirectoryError):
        return []
