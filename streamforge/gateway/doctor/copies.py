"""Checksummed copies of the small files that nothing else can give back: `kafka/copies/small-files.json`.

One file holds them all, so that a change costs one write and they belong together; the one before it is kept too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from streamforge.durable import write_durably
from streamforge.gateway.doctor.files import Kind, fault, properties
from streamforge.gateway.doctor.layout import partition_metadata, partitions, snapshots
from streamforge.gateway.doctor.snapshots import BOOTSTRAP

DIRECTORY = "copies"
FILE, FILE_BEFORE = "small-files.json", "small-files.before.json"
_MODE = 0o640
_ENCODING = "latin-1"  # a text can be read in the copies, and a snapshot's bytes go through unchanged

Contents = Mapping[str, bytes]


def present(data: Path) -> dict[str, bytes]:
    """Path relative to `data` -> content, of all that is worth a copy and sound."""
    found = {}
    for path, kind in _wanted(data):
        try:
            content = path.read_bytes()
        except OSError:
            continue  # a topic that is being made, or deleted
        if not fault(kind, content):
            found[str(path.relative_to(data))] = content
    return found


def _wanted(data: Path) -> Iterator[tuple[Path, Kind]]:
    """The log's ids, topics' ids, and snapshots: once written, none of them ever changes."""
    yield data / Kind.META_PROPERTIES, Kind.META_PROPERTIES
    for path in [data / BOOTSTRAP, *snapshots(data)]:
        yield path, Kind.SNAPSHOT
    for partition in partitions(data):
        yield partition_metadata(partition), Kind.PARTITION_METADATA


def load(kafka: Path) -> dict[str, bytes]:
    """The newest copies whose checksum is right; empty where there are none."""
    for name in (FILE, FILE_BEFORE):
        try:
            return _decoded((kafka / DIRECTORY / name).read_bytes())
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return {}


def belong(copies: Contents, meta_properties: bytes) -> bool:
    """Whether copies are of the log that has this meta.properties: one of its two ids is enough."""
    mine, theirs = properties(meta_properties), properties(copies.get(Kind.META_PROPERTIES, b""))
    return any(key in mine and mine[key] == theirs.get(key) for key in ("cluster.id", "directory.id"))


class CopyKeeper:
    """Keeps the copies in step with the files of a broker that serves."""

    def __init__(self, kafka: Path) -> None:
        self._kafka, self._data = kafka, kafka / "data"
        self._seen: frozenset[tuple[str, int]] = frozenset()

    def look(self) -> bool:
        """Write the copies where a file came, went or changed; whether it did. Raises OSError."""
        seen = self._signature()
        if seen == self._seen:
            return False
        is_new = keep(self._kafka, present(self._data))
        self._seen = seen
        return is_new

    def _signature(self) -> frozenset[tuple[str, int]]:
        """Names and times of those files: one stat(2) each."""
        return frozenset((str(path), path.stat().st_mtime_ns) for path, _ in _wanted(self._data) if path.exists())


def keep(kafka: Path, contents: Contents) -> bool:
    """Write the copies unless they stand there; whether they were written. Raises OSError."""
    if contents == load(kafka):
        return False
    directory = kafka / DIRECTORY
    directory.mkdir(exist_ok=True)
    newest = directory / FILE
    if newest.exists():
        newest.replace(directory / FILE_BEFORE)
    write_durably(newest, _encoded(contents), mode=_MODE)
    return True


def _encoded(contents: Contents) -> bytes:
    texts = {name: content.decode(_ENCODING) for name, content in sorted(contents.items())}
    return json.dumps({"sha256": _checksum(texts), "files": texts}, indent=1).encode()


def _decoded(raw: bytes) -> dict[str, bytes]:
    given = json.loads(raw)
    texts = given["files"]
    if given["sha256"] != _checksum(texts):
        raise ValueError("the checksum is another")
    return {name: text.encode(_ENCODING) for name, text in texts.items()}


def _checksum(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
