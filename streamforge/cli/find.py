"""Finds a component by its name: kind `modbus-tcp` is the one concrete class of `streamforge.adapters.modbus_tcp`."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import streamforge
from streamforge.config import kind_of, load
from streamforge.config.build import Secrets, nearest
from streamforge.errors import ConfigError, Fault
from streamforge.gateway.instances import Loader, Role

PACKAGE = Path(streamforge.__file__).parent


def sample(role: Role, kind: str) -> Path:
    """Where the sample TOML of a kind stands: beside its module."""
    return PACKAGE / role.folder / f"{kind.replace('-', '_')}.toml"


def kinds(role: Role) -> tuple[str, ...]:
    """Every kind of this role: each has a sample."""
    return tuple(sorted(path.stem.replace("_", "-") for path in (PACKAGE / role.folder).glob("*.toml")))


def component_class(role: Role, kind: str) -> type[Any]:
    """The one concrete class of the kind's module. Raises ConfigError with the nearest kind where there is none."""
    if kind not in kinds(role):
        hint = nearest(kind_of(kind), kinds(role))
        raise ConfigError([Fault(file=f"{role.folder}/{kind}", message=f'there is no {role} "{kind}"', hint=hint)])
    module = importlib.import_module(f"streamforge.{role.folder}.{kind.replace('-', '_')}")
    base = getattr(importlib.import_module(f"streamforge.{role.folder}.base"), role.value.capitalize())
    found = [
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls)
        and cls.__module__ == module.__name__
        and issubclass(cls, base)
        and not inspect.isabstract(cls)
    ]
    if len(found) != 1:
        msg = f"{module.__name__} has {len(found)} concrete classes of {role}, must have one"
        raise TypeError(msg)
    return found[0]


def configuration(role: Role, kind: str, path: Path, secrets: Secrets | None = None) -> Any:
    """The file as the kind's configuration; a transform's may be absent and then has its defaults."""
    cls = component_class(role, kind).Config
    if role is Role.TRANSFORM and not path.exists():
        return cls()
    return load(path, cls, secrets=secrets)


def loader(role: Role, kind: str) -> Loader:
    """What reads a file of that kind as the service does, with secrets left unresolved."""
    component_class(role, kind)
    return lambda path: configuration(role, kind, path)
