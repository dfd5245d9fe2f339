"""`${secret:name}` in a text of the configuration: resolved in the running unit, never in the file."""

import os
import re
from collections.abc import Iterator
from pathlib import Path as FilePath

from streamforge.config.build import Builder, Secrets
from streamforge.config.lines import Path

_SECRET = re.compile(r"\$\{secret:([^}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def secrets_of(unit: str) -> Secrets:
    """The secrets that carry the unit's name: systemd credentials `<unit>.<name>`, of which it gets its own alone.

    The function returned raises OSError where the unit has none of that name.
    """
    directory = FilePath(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials"))
    return lambda name: (directory / f"{unit}.{name}").read_text().rstrip("\n")


def is_name(text: str) -> bool:
    """Whether a secret can be called so."""
    return bool(_NAME.fullmatch(text))


def names_in(raw: object) -> Iterator[str]:
    """Every secret that the values of a TOML file name, as often as they do."""
    if isinstance(raw, dict):
        raw = list(raw.values())
    if isinstance(raw, list):
        for item in raw:
            yield from names_in(item)
    elif isinstance(raw, str):
        yield from (name for name in _SECRET.findall(raw) if is_name(name))


def resolved(raw: object, secrets: Secrets | None, builder: Builder, path: Path = ()) -> object:
    """The raw values with every secret put in; with `secrets` None only their names are judged.

    What is not there stays as it is written, and is a fault: nothing else is to be said of its value.
    """
    if isinstance(raw, dict):
        return {key: resolved(item, secrets, builder, (*path, key)) for key, item in raw.items()}
    if isinstance(raw, list):
        return [resolved(item, secrets, builder, (*path, index)) for index, item in enumerate(raw)]
    if isinstance(raw, str) and "${" in raw:
        return _SECRET.sub(lambda match: _one(match, secrets, builder, path), raw)
    return raw


def _one(match: "re.Match[str]", secrets: Secrets | None, builder: Builder, path: Path) -> str:
    name = match.group(1)
    if not is_name(name):
        builder.wrong(path, f'"{name}" is not a name of a secret', "letters, digits, dot, dash and underscore")
        return match.group()
    if secrets is None:
        return match.group()
    try:
        value = secrets(name)
    except (LookupError, OSError, UnicodeDecodeError):
        builder.wrong(path, f'the unit has no secret "{name}"', f"streamforge secret set {name}")
        return match.group()
    if value:
        builder.secrets[value] = match.group()
    return value
