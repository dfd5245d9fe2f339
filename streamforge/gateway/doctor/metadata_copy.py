"""The log of Kafka's metadata as it stood before a start, until the broker serves: `kafka/copies/metadata/`.

A broker that finds the disk full while it reads its log can take this log for corrupt and empty it (seen with Kafka
4.2.2). It then knows no topic any more, and takes all that lies there for strays. So the log is copied before every
start, after there is room for it; where afterwards it does not begin with what the copy holds, the copy comes back, and
so do the partitions. A log that serves needs no copy: whatever becomes of it later is another fault.
"""

import errno
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streamforge.durable import sync_directory, write_durably
from streamforge.gateway.doctor import ballast
from streamforge.gateway.doctor.copies import DIRECTORY as COPIES
from streamforge.gateway.doctor.files import Kind
from streamforge.gateway.doctor.layout import METADATA_PARTITION, directory_id, strays
from streamforge.gateway.doctor.report import Finding
from streamforge.gateway.doctor.snapshots import NAME, intact_bytes, snapshot_fault

DIRECTORY, MANIFEST = "metadata", "manifest.json"
# A log that is emptied again and again has another fault; systemd gives up after the fifth start.
MOST_RESTORED = 3
_MODE = 0o640
_SEGMENT = re.compile(r"\d{20}\.log")
_UNIQUE = re.compile(r"(.+-\d+)\.[0-9a-f]{32}-stray")
# What Kafka makes of the segments, and of which epochs stand in them; the epoch of the quorum only grows.
_DERIVED = (".index", ".timeindex", ".snapshot", Kind.LEADER_EPOCHS.value)


def keep(kafka: Path) -> None:
    """Copy it before a start, unless the copy for one that did not serve is still there. Raises OSError, ENOSPC too."""
    if _manifest(kafka):
        return
    place, contents = kafka / COPIES / DIRECTORY, dict(_contents(kafka / "data" / METADATA_PARTITION))
    if not contents:
        return
    size = sum(map(len, contents.values()))
    if ballast.room(kafka).free_bytes < ballast.START_BYTES + size:
        raise OSError(errno.ENOSPC, f"no room for {size} bytes of metadata beside what a start needs")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, content in contents.items():
        write_durably(place / name, content, mode=_MODE)
    _note(kafka, {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}, restored=0)
    sync_directory(place.parent)


def drop(kafka: Path) -> None:
    """The broker serves. Raises OSError."""
    place = kafka / COPIES / DIRECTORY
    if place.exists():
        (place / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(place)


def is_lost(kafka: Path) -> bool:
    """Whether the log lacks something that the copy has; it may only have grown since. Also while the broker runs."""
    metadata = kafka / "data" / METADATA_PARTITION
    return any(
        not _begins_with(metadata / name, content) and not _is_behind_snapshot(metadata, name)
        for name, content in _copied(kafka).items()
        if _SEGMENT.fullmatch(name)
    )


def restore(kafka: Path) -> list[Finding]:
    """Bring the copy back where the log is lost, and the partitions that the broker took for strays. Raises OSError."""
    if not is_lost(kafka):
        return []
    metadata, contents, manifest = kafka / "data" / METADATA_PARTITION, _copied(kafka), _manifest(kafka)
    wrong = "emptied at a start that did not end well"
    if manifest["restored"] >= MOST_RESTORED:
        drop(kafka)
        return [
            Finding(file=METADATA_PARTITION, wrong=f"{wrong}, again and again", done="left as it is", is_grave=True)
        ]
    _note(kafka, manifest["sha256"], restored=manifest["restored"] + 1)
    metadata.mkdir(exist_ok=True)
    for path in list(metadata.iterdir()):
        is_another = _SEGMENT.fullmatch(path.name) or NAME.fullmatch(path.name)
        if path.name not in contents and (is_another or path.name.endswith(_DERIVED)):
            path.unlink()
    for name, content in contents.items():
        write_durably(metadata / name, content, mode=_MODE)
    back = _bring_back_strays(kafka / "data")
    return [Finding(file=METADATA_PARTITION, wrong=wrong, done=f"restored from the copy, {back} partitions with it")]


def _contents(metadata: Path) -> Iterator[tuple[str, bytes]]:
    """Snapshots that are whole, and the segments as far as the first damage: there Kafka cuts them by right."""
    for path in sorted(metadata.glob("*.checkpoint")):
        content = path.read_bytes()
        if NAME.fullmatch(path.name) and not snapshot_fault(content):
            yield path.name, content
    for path in sorted(path for path in metadata.glob("*.log") if _SEGMENT.fullmatch(path.name)):
        content = path.read_bytes()
        whole = intact_bytes(content)
        if whole:
            yield path.name, content[:whole]
        if whole < len(content):
            return


def _begins_with(path: Path, content: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(content)) == content
    except FileNotFoundError:
        return False


def _is_behind_snapshot(metadata: Path, name: str) -> bool:
    """Whether a segment is not there because a snapshot holds what stood in it."""
    if (metadata / name).exists():
        return False
    later = [path.name for path in metadata.glob("*.log") if path.name > name]
    numbers = [path.name[:20] for path in metadata.glob("*.checkpoint") if NAME.fullmatch(path.name)]
    return bool(later) and max(numbers, default="") >= min(later)[:20]


def _bring_back_strays(data: Path) -> int:
    """Where nothing has taken their place; the others the doctor sets aside."""
    named = [(path, match[1]) for path in strays(data) if (match := _UNIQUE.fullmatch(path.name))]
    back = [(path, data / name) for path, name in named if not (data / name).exists()]
    for path, place in back:
        path.rename(place)
    sync_directory(data)
    return len(back)


def _copied(kafka: Path) -> dict[str, bytes]:
    """What the copy holds; nothing where there is none, it is of another log, or it is damaged itself."""
    manifest, found = _manifest(kafka), {}
    try:
        for name, checksum in manifest.get("sha256", {}).items():
            found[name] = (kafka / COPIES / DIRECTORY / name).read_bytes()
            if hashlib.sha256(found[name]).hexdigest() != checksum:
                return {}
    except OSError:
        return {}
    return found


def _note(kafka: Path, checksums: Mapping[str, str], *, restored: int) -> None:
    manifest = {"directory_id": directory_id(kafka / "data"), "restored": restored, "sha256": dict(checksums)}
    write_durably(kafka / COPIES / DIRECTORY / MANIFEST, json.dumps(manifest).encode(), mode=_MODE)


def _manifest(kafka: Path) -> dict[str, Any]:
    """What is noted of the copy of this log; empty where there is none."""
    try:
        raw = json.loads((kafka / COPIES / DIRECTORY / MANIFEST).read_text())
        is_whole = raw["directory_id"] == directory_id(kafka / "data") and isinstance(raw["restored"], int)
        return dict(raw) if is_whole and isinstance(raw["sha256"], dict) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
