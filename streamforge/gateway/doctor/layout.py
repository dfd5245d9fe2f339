"""Where the small files stand in a log directory, by name."""

import re
from collections.abc import Iterator
from pathlib import Path

from streamforge.gateway.doctor.files import Kind, properties
from streamforge.gateway.doctor.snapshots import NAME
from streamforge.progress import Partition

METADATA_PARTITION = "__cluster_metadata-0"
# `<topic>-<number>.<uuid>-delete`, -stray and -future are not in use; nothing matches them, for they end in a word.
_PARTITION = re.compile(r"([A-Za-z0-9._-]{1,249})-(\d+)")
_STRAY = re.compile(r"([A-Za-z0-9._-]{1,249})-(\d+)\.[0-9a-f]{32}-stray")


def partitions(data: Path) -> Iterator[Path]:
    """The directories of all partitions in use but that of the metadata, sorted."""
    for path in sorted(data.iterdir()):
        if path.name != METADATA_PARTITION and _PARTITION.fullmatch(path.name) and path.is_dir():
            yield path


def topic_of(partition: Path) -> str:
    """The topic's name: `telemetry.raw-0` -> `telemetry.raw`."""
    return partition.name.rpartition("-")[0]


def number_of(partition: Path) -> int:
    """The partition's number: `telemetry.raw-0` -> 0."""
    return int(partition.name.rpartition("-")[2])


def is_internal(partition: Path) -> bool:
    """Whether its topic is one of Kafka's own."""
    return partition.name.startswith("__")


def partition_metadata(partition: Path) -> Path:
    """Where a partition's topic id stands."""
    return partition / Kind.PARTITION_METADATA


def snapshots(data: Path) -> list[Path]:
    """The snapshots of the metadata partition, oldest first."""
    directory = data / METADATA_PARTITION
    return sorted(path for path in directory.glob("*.checkpoint") if NAME.fullmatch(path.name))


def directory_id(data: Path) -> str:
    """Kafka's id of this log directory, "" where there is none; not the cluster's, which a rebuilt file has anew."""
    try:
        return properties((data / Kind.META_PROPERTIES).read_bytes()).get("directory.id", "")
    except OSError:
        return ""


def strays(data: Path) -> list[Path]:
    """Partitions that the broker renamed because its metadata does not know their topic."""
    return sorted(data.glob("*-stray")) if data.is_dir() else []


def stray_partitions(data: Path) -> list[Partition]:
    """Which partitions those are, without Kafka's own."""
    found = [_STRAY.fullmatch(path.name) for path in strays(data) if not is_internal(path)]
    return [Partition(match[1], int(match[2])) for match in found if match]
