"""Numbered configurations that never change, and the link to the one in force.

Killed at any instant, `current` leads to a complete generation: a new one is staged beside, brought to the disk,
renamed, checked, and only then linked, by rename(2) of a fresh link.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from streamforge.durable import PUBLIC_MODE, sync_directory, write_durably
from streamforge.errors import ConfigError, Fault
from streamforge.gateway.instances import MANIFEST

KEEP = 5
# More than any configuration: a wrong directory (a whole stick) is refused before it fills the disk.
MOST_FILES, MOST_BYTES = 2_000, 32 * 1024 * 1024
_DIRECTORY_MODE = 0o755  # units run as users of their own and all read it; secrets never stand here

Check = Callable[[Path], tuple[Fault, ...]]


@dataclass(frozen=True, slots=True)
class Store:
    """The generations under one directory."""

    directory: Path

    @property
    def generations(self) -> Path:
        """Where they stand, each under its number."""
        return self.directory / "generations"

    @property
    def link(self) -> Path:
        """What leads to the one in force."""
        return self.directory / "current"

    def path(self, number: int) -> Path:
        """Where generation `number` stands."""
        return self.generations / str(number)

    def numbers(self) -> tuple[int, ...]:
        """Every generation that is there, oldest first."""
        if not self.generations.is_dir():
            return ()
        return tuple(sorted(int(entry.name) for entry in self.generations.iterdir() if entry.name.isdecimal()))

    def current(self) -> int | None:
        """The number of the generation in force; None before the first."""
        try:
            name = self.link.readlink().name
        except OSError:
            return None
        return int(name) if name.isdecimal() and self.path(int(name)).is_dir() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store: two changes at once wait for each other."""
        _make_directory(self.directory)
        _make_directory(self.generations)
        with (self.directory / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def add(self, source: Path, check: Check) -> int:
        """Keep `source` as a new generation, checked, not yet in force; its number.

        Raises ConfigError with the faults under the names that the files have in `source`; nothing is left behind.
        """
        self._sweep()
        files = _files(source)
        number = max((0, *self.numbers())) + 1
        part = self.generations / f".{number}.part"
        _copy(source, files, part)
        _sync_tree(part)
        part.rename(self.path(number))
        sync_directory(self.generations)
        faults = check(self.path(number))
        if faults:
            self._remove(number)
            raise ConfigError([_under(source, self.path(number), fault) for fault in faults])
        return number

    def switch(self, number: int) -> None:
        """Put generation `number` in force: before or after, never between."""
        fresh = self.directory / ".current.part"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(f"generations/{number}")
        fresh.rename(self.link)
        sync_directory(self.directory)

    def prune(self) -> None:
        """Keep the newest five and the one in force."""
        current = self.current()
        for number in self.numbers()[:-KEEP]:
            if number != current:
                self._remove(number)

    def newest_complete(self) -> int | None:
        """The newest generation whose files are all what its manifest says."""
        return next((number for number in reversed(self.numbers()) if is_complete(self.path(number))), None)

    def _remove(self, number: int) -> None:
        doomed = self.generations / f".{number}.old"
        self.path(number).rename(doomed)
        shutil.rmtree(doomed)

    def _sweep(self) -> None:
        for entry in self.generations.iterdir():
            if entry.name.startswith("."):
                shutil.rmtree(entry)


def is_complete(generation: Path) -> bool:
    """Whether every file of the manifest is there and unchanged."""
    try:
        manifest = json.loads((generation / MANIFEST).read_text())
        return all(_hash(generation / name) == digest for name, digest in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _files(source: Path) -> tuple[Path, ...]:
    """The files of a configuration, relative; hidden ones (editors, sticks) and links out of it are left behind."""
    found = []
    size_bytes = 0
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if any(part.startswith(".") for part in name.parts) or not path.is_file() or str(name) == MANIFEST:
            continue
        if not path.resolve().is_relative_to(source.resolve()):
            raise ConfigError([Fault(file=str(path), message="leads out of the configuration", hint="copy the file")])
        found.append(name)
        size_bytes += path.stat().st_size
        if len(found) > MOST_FILES or size_bytes > MOST_BYTES:
            raise ConfigError([Fault(file=str(source), message="is too large to be a configuration")])
    return tuple(found)


def _copy(source: Path, files: tuple[Path, ...], part: Path) -> None:
    _make_directory(part)
    hashes = {}
    for name in files:
        for folder in reversed(name.parents[:-1]):
            _make_directory(part / folder)
        content = (source / name).read_bytes()
        write_durably(part / name, content, mode=PUBLIC_MODE)
        hashes[str(name)] = hashlib.sha256(content).hexdigest()
    text = json.dumps({"files": hashes}, indent=1, sort_keys=True)
    write_durably(part / MANIFEST, text.encode(), mode=PUBLIC_MODE)


def _sync_tree(directory: Path) -> None:
    for folder in (directory, *directory.rglob("*/")):
        if folder.is_dir():
            sync_directory(folder)


def _make_directory(path: Path) -> None:
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(_DIRECTORY_MODE)  # whatever the umask says


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _under(source: Path, staged: Path, fault: Fault) -> Fault:
    place = Path(fault.file)
    return replace(fault, file=str(source / place.relative_to(staged))) if place.is_relative_to(staged) else fault
