"""One TOML file to one frozen dataclass, with all its faults at once."""

import re
import tomllib
from pathlib import Path as FilePath
from typing import TypeVar

from streamforge.config.build import Builder, Secrets
from streamforge.config.lines import lines
from streamforge.config.protocols import kind_of
from streamforge.config.secrets import resolved
from streamforge.errors import ConfigError, Fault

T = TypeVar("T")
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


def load(path: FilePath, cls: type[T], *, secrets: Secrets | None = None) -> T:
    """Read the file strictly into `cls`.

    A frozen dataclass of str, int, float, bool, Enum, Literal, tuple[X, ...], dict[str, X], dataclasses, unions of
    those and `X | None`; `Annotated[X, Bounds(...)]` bounds a value; `field(metadata={"key": "class"})` renames a key.
    `secrets` gives the text of `${secret:name}` and raises LookupError or OSError where there is none; None leaves
    them unresolved. Raises ConfigError with every fault; a ValueError of `__post_init__` is the fault of its table.
    """
    text = _text(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(path, text, error)]) from None
    builder = Builder(str(path), lines(text))
    filled = resolved(raw, secrets, builder)
    _same_protocol(builder, raw, path)
    built: T = builder.table(cls, filled, ())
    if builder.faults:
        raise ConfigError(sorted(builder.faults, key=lambda fault: (fault.line, fault.key)))
    return built


def _text(path: FilePath) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        fault = Fault(file=str(path), line=line, message="not UTF-8", hint="save the file as UTF-8")
        raise ConfigError([fault]) from None
    except OSError as error:
        raise ConfigError([Fault(file=str(path), message=f"cannot be read: {error.strerror}")]) from None


def _syntax(path: FilePath, text: str, error: tomllib.TOMLDecodeError) -> Fault:
    message = str(error)
    place = _PLACE.search(message)
    words = f"not TOML: {_PLACE.sub('', message)}"
    if place is None or place.group(1) is None:
        return Fault(file=str(path), line=text.rstrip().count("\n") + 1, message=f"{words} at the end of the file")
    return Fault(file=str(path), line=int(place.group(1)), message=f"{words} at column {place.group(2)}")


def _same_protocol(builder: Builder, raw: dict[str, object], path: FilePath) -> None:
    protocol, folder = raw.get("protocol"), path.parent.name
    if path.parent.parent.name == "adapters" and isinstance(protocol, str) and kind_of(protocol) != folder:
        hint = f"move the file to adapters/{kind_of(protocol)}/ or leave the key out"
        builder.wrong(("protocol",), f'"{protocol}" stands in the folder of {folder}', hint)
