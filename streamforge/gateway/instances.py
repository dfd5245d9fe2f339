"""What stands in a configuration directory: its instances, the units they are, and what each unit reads."""

import difflib
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from streamforge.errors import ConfigError, Fault
from streamforge.gateway.settings import load_settings

INSTANCE = re.compile(r"[a-z0-9-]{1,40}")
TRANSFORMS = ("validator", "aggregator")
MANIFEST = "manifest.json"
_TOP = ("gateway.toml", "adapters", "transforms", "sinks", "schemas")


class Role(StrEnum):
    """What a unit does; its value is the word in the unit's name."""

    ADAPTER = "adapter"
    TRANSFORM = "transform"
    SINK = "sink"

    @property
    def folder(self) -> str:
        """Its folder, in a configuration as in the package."""
        return f"{self.value}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One unit that the configuration calls for. `file` is within the directory; it may be absent for a transform."""

    role: Role
    kind: str
    name: str
    file: Path

    @property
    def unit(self) -> str:
        """Its systemd unit, without ".service"."""
        stem = f"streamforge-{self.role}-{self.kind}"
        return stem if self.role is Role.TRANSFORM else f"{stem}@{self.name}"


# Role and kind -> what reads a file of that kind as the service does. Raises ConfigError for an unknown kind.
Loader = Callable[[Path], object]
Loaders = Callable[[Role, str], Loader]


def instances(directory: Path) -> tuple[Instance, ...]:
    """The units of this configuration, in the order in which they start: out, through, in."""
    found = [*_named(directory, Role.SINK)]
    found += [
        Instance(role=Role.TRANSFORM, kind=kind, name="", file=directory / "transforms" / f"{kind}.toml")
        for kind in TRANSFORMS
    ]
    return (*found, *_named(directory, Role.ADAPTER))


def _named(directory: Path, role: Role) -> Iterator[Instance]:
    for file in sorted((directory / role.folder).glob("*/*.toml")):
        if INSTANCE.fullmatch(file.stem):
            yield Instance(role=role, kind=file.parent.name, name=file.stem, file=file)


def digests(directory: Path) -> dict[str, str]:
    """Unit -> hash of every file that it reads; equal hashes mean that the unit need not restart."""
    return {one.unit: _digest(one) for one in instances(directory)}


def _digest(instance: Instance) -> str:
    # Tables beside the instance (tag lists) may be named by it.
    beside = sorted(instance.file.parent.glob("*.csv")) if instance.role is not Role.TRANSFORM else []
    whole = hashlib.sha256()
    for file in (instance.file, *beside):
        content = file.read_bytes() if file.exists() else b""
        whole.update(hashlib.sha256(file.name.encode() + b"\0" + content).digest())
    return whole.hexdigest()


def check(directory: Path, loaders: Loaders) -> tuple[Fault, ...]:
    """Every fault of the configuration, sorted by file and line; empty = the services will take it."""
    if not directory.is_dir():
        return (Fault(file=str(directory), message="is not a directory"),)
    faults = [*_strays(directory), *_faults_of(lambda: load_settings(directory))]
    owners: dict[str, Path] = {}
    for one in instances(directory):
        if one.file.exists():
            faults += _faults_of(lambda one=one: _load(one, loaders, owners))  # type: ignore[misc]
    return tuple(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.key)))


def _faults_of(work: Callable[[], object]) -> tuple[Fault, ...]:
    try:
        work()
    except ConfigError as error:
        return error.faults
    return ()


def _load(one: Instance, loaders: Loaders, owners: dict[str, Path]) -> None:
    try:
        loader = loaders(one.role, one.kind)
    except ConfigError as error:
        raise ConfigError([_at(one.file, fault) for fault in error.faults]) from error
    config = loader(one.file)
    if one.role is not Role.ADAPTER:
        return
    identity = getattr(config, "adapter_id", "") or one.name
    if owners.setdefault(identity, one.file) != one.file:
        message = f'"{identity}" is also the id of {owners[identity].relative_to(one.file.parents[2])}'
        raise ConfigError([Fault(file=str(one.file), key="adapter_id", message=message, hint="give each its own")])
    # A broker gives what it keeps for a session to whoever comes first: the other one never sees it.
    session = str(getattr(config, "session", ""))
    if session and (owner := owners.setdefault(f"session {session}", one.file)) != one.file:
        message = f'"{session}" is also the session of {owner.relative_to(one.file.parents[2])}'
        raise ConfigError([Fault(file=str(one.file), key="client_id", message=message, hint="give each its own")])


def _at(file: Path, fault: Fault) -> Fault:
    return Fault(file=str(file), message=fault.message, key=fault.key, hint=fault.hint)


def _strays(directory: Path) -> Iterator[Fault]:
    for path in sorted(directory.iterdir()):
        if path.name not in _TOP and path.name != MANIFEST and not path.name.startswith("."):
            yield _stray(path, _TOP)
    for path in sorted(directory.glob("transforms/*")):
        if path.suffix != ".toml" or path.stem not in TRANSFORMS:
            yield _stray(path, tuple(f"{kind}.toml" for kind in TRANSFORMS))
    for role in (Role.ADAPTER, Role.SINK):
        for path in sorted((directory / role.folder).glob("*")):
            if not path.is_dir():
                yield Fault(
                    file=str(path), message="not part of a configuration", hint=f"{role.folder}/<kind>/<instance>.toml"
                )
        for path in sorted((directory / role.folder).glob("*/*.toml")):
            if not INSTANCE.fullmatch(path.stem):
                hint = "small letters, digits and dashes, at most 40"
                yield Fault(file=str(path), message=f'"{path.stem}" cannot name an instance', hint=hint)


def _stray(path: Path, known: tuple[str, ...]) -> Fault:
    close = difflib.get_close_matches(path.name, known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(known)}"
    return Fault(file=str(path), message="not part of a configuration", hint=hint)
