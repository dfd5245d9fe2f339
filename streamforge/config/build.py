"""From the plain values of a TOML file to frozen dataclasses, collecting every fault on the way."""

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path as FilePath
from typing import Any

from streamforge.config.keyed import KeyedError
from streamforge.config.lines import Path
from streamforge.config.table_file import TableFile, keys_of, read_lines
from streamforge.config.values import Bounds
from streamforge.errors import Fault

Secrets = Callable[[str], str]


class _Wrong:
    """Stands for a value that could not be built; its fault is already noted."""


WRONG = _Wrong()
_COMMA = re.compile(r"[+-]?\d+,\d+")
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table", list: "a list"}


def key_text(path: Path) -> str:
    """The path as people write it: devices[0].unit_id."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def toml_key(item: "Field[Any]") -> str:
    """The key of a dataclass field: its name, or `metadata={"key": ...}` where the key is a word of Python."""
    key: str = item.metadata.get("key", item.name)
    return key


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint that names the word meant, or all of them where none is near."""
    known = sorted(words)
    folded = {w.lower(): w for w in reversed(known)}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{folded[close[0]]}"?'
    return f"known: {', '.join(known)}" if known else "none is known here"


class Builder:
    """Builds one file's values and notes the faults; `lines` says where each key stands."""

    def __init__(self, file: str, lines: Mapping[Path, int]) -> None:
        self.file = file
        self.lines = lines
        self.faults: list[Fault] = []
        # Value -> how the file names it: what is wrong with it is said without showing it.
        self.secrets: dict[str, str] = {}
        # Where rows stand in files of their own: the key that names the file -> the file, and the line of each row.
        self._tables: dict[Path, tuple[str, list[int]]] = {}

    def wrong(self, path: Path, message: str, hint: str = "") -> _Wrong:
        """Note a fault at this key, or at the nearest table around it that has a line."""
        message = self._without_secrets(message)
        for end in range(1, len(path)):
            file, numbers = self._tables.get(path[:end], ("", []))
            if file and isinstance(place := path[end], int):
                key = key_text(path[end + 1 :])
                self.faults.append(Fault(file=file, line=numbers[place], key=key, message=message, hint=hint))
                return WRONG
        around = path
        while around and around not in self.lines:
            around = around[:-1]
        line = self.lines.get(around, 1)
        self.faults.append(Fault(file=self.file, line=line, key=key_text(path), message=message, hint=hint))
        return WRONG

    def _without_secrets(self, message: str) -> str:
        for value, name in self.secrets.items():
            for shown in {value, repr(value)[1:-1]}:
                message = message.replace(shown, name)
        return message

    def table(self, cls: type[Any], raw: object, path: Path) -> Any:
        """An instance of the dataclass, or WRONG."""
        if not isinstance(raw, dict):
            return self._type(path, dict, raw)
        hints = typing.get_type_hints(cls, include_extras=True)
        known = {toml_key(item): item for item in fields(cls) if item.init}
        before = len(self.faults)
        for key in raw:
            if key not in known:
                self.wrong((*path, key), "unknown key", nearest(key, known))
        values = {}
        for key, item in known.items():
            if key in raw:
                values[item.name] = self.value(hints[item.name], raw[key], (*path, key))
            elif item.default is MISSING and item.default_factory is MISSING:
                self.wrong((*path, key), "missing", f"this table needs {key} = ...")
        if len(self.faults) > before:
            return WRONG
        try:
            return cls(**values)
        except ValueError as error:
            place = error.place if isinstance(error, KeyedError) else ()
            return self.wrong((*path, *place), str(error))

    def value(self, kind: Any, raw: object, path: Path) -> Any:
        """The raw value as the annotated type `kind`, or WRONG."""
        origin, args = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated and any(isinstance(extra, TableFile) for extra in args[1:]):
            return self._table_file(args[0], raw, path)
        if origin is typing.Annotated:
            return self._bounded(self.value(args[0], raw, path), args[1:], path)
        if origin in {typing.Union, types.UnionType}:
            return self._union(args, raw, path)
        if origin in {tuple, dict}:
            return self._many(origin, args, raw, path)
        if is_dataclass(kind) and isinstance(kind, type):
            return self.table(kind, raw, path)
        choices = _choices(kind)
        return self._choice(choices, raw, path) if choices else self._scalar(kind, raw, path)

    def _table_file(self, kind: Any, raw: object, path: Path) -> Any:
        """The rows of a CSV file beside this one, each with the line that it stands in."""
        if not isinstance(raw, str):
            return self._type(path, str, raw)
        file, row = FilePath(self.file).parent / raw, typing.get_args(kind)[0]
        keys = keys_of(row)
        try:
            if file.name != raw:
                return self.wrong(path, f'"{raw}" is not the name of a file beside this one')
            columns, lines = read_lines(file, row, keys)
        except FileNotFoundError:
            return self.wrong(
                path, f'there is no file "{raw}"', nearest(raw, (one.name for one in file.parent.glob("*.csv")))
            )
        except UnicodeDecodeError as error:
            place = error.object.count(b"\n", 0, error.start) + 1
            self.faults.append(Fault(file=str(file), line=place, message="not UTF-8", hint="save the file as UTF-8"))
            return WRONG
        except (OSError, ValueError) as error:
            return self.wrong(path, f'"{raw}" cannot be read: {error}')
        head = Builder(str(file), {(): 1})
        for column in columns:
            if column not in keys:
                head.wrong((column,), "unknown column", nearest(column, keys))
        builders = [(Builder(str(file), {(): line.number}), line) for line in lines]
        for builder, line in builders:
            if line.beyond:  # a decimal comma where commas separate
                builder.wrong((), f'"{line.beyond[0]}" stands behind the last column', "put text with commas in quotes")
        rows = tuple(
            builder.table(row, {key: cell for key, cell in line.cells.items() if key in keys}, ())
            for builder, line in builders
        )
        faults = [*head.faults, *(fault for builder, _ in builders for fault in builder.faults)]
        self.faults += faults
        self._tables[path] = (str(file), [line.number for line in lines])
        return WRONG if faults else rows

    def _scalar(self, kind: type, raw: object, path: Path) -> Any:
        if kind is float and type(raw) is int:
            return float(raw)
        if type(raw) is kind:
            return raw
        return self._type(path, kind, raw)

    def _type(self, path: Path, kind: type, raw: object) -> _Wrong:
        given = f'"{raw}"' if isinstance(raw, str) else _NAMES.get(type(raw), str(raw))
        shown = str(raw).lower() if type(raw) in {int, float, bool} else given
        hint = "write it without quotes" if isinstance(raw, str) and kind in {int, float, bool} else ""
        hint = "write it with a point" if kind is float and _COMMA.fullmatch(str(raw)) else hint
        hint = "write it in quotes" if kind is str and type(raw) in {int, float, bool} else hint
        return self.wrong(path, f"must be {_NAMES.get(kind, kind.__name__)}, not {shown}", hint)

    def _bounded(self, value: Any, extras: tuple[object, ...], path: Path) -> Any:
        if value is WRONG or value is None:
            return value
        for bounds in extras:
            if not isinstance(bounds, Bounds):
                continue
            is_sized = isinstance(value, str | tuple | dict)
            if not bounds.hold(len(value) if is_sized else value):
                what = f"has length {len(value)}, must be" if is_sized else f"{value} is out of bounds, must be"
                return self.wrong(path, f"{what} {bounds}")
        return value

    def _union(self, kinds: tuple[Any, ...], raw: object, path: Path) -> Any:
        kinds = tuple(kind for kind in kinds if kind is not type(None))
        fitting = [kind for kind in kinds if fits(kind, raw)]
        if fitting or len(kinds) == 1:
            return self.value((fitting or kinds)[0], raw, path)
        words = " or ".join(_NAMES.get(base(kind), str(kind)) for kind in kinds)
        return self.wrong(path, f"must be {words}, not {raw}")

    def _choice(self, choices: Mapping[str, object], raw: object, path: Path) -> Any:
        if isinstance(raw, str | int) and str(raw) in choices:
            return choices[str(raw)]
        close = difflib.get_close_matches(str(raw).lower(), choices, n=1)
        hint = f'did you mean "{close[0]}"?' if close else ""
        return self.wrong(path, f'"{raw}" is not one of {", ".join(choices)}', hint)

    def _many(self, origin: type, args: tuple[Any, ...], raw: object, path: Path) -> Any:
        if origin is tuple and isinstance(raw, list):
            return tuple(self.value(args[0], item, (*path, index)) for index, item in enumerate(raw))
        if origin is dict and isinstance(raw, dict):
            return {key: self.value(args[1], item, (*path, key)) for key, item in raw.items()}
        return self._type(path, list if origin is tuple else dict, raw)


def _choices(kind: Any) -> Mapping[str, object]:
    if typing.get_origin(kind) is typing.Literal:
        return {str(word): word for word in typing.get_args(kind)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {enum_key(member): member for member in kind}
    return {}


def enum_key(member: Enum) -> str:
    """How a member is written in TOML: its text, or its name in small letters where its value is a number."""
    return member.value if isinstance(member.value, str) else member.name.lower()


def base(kind: Any) -> type:
    """The plain TOML type that an annotation takes."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return base(typing.get_args(kind)[0])
    if origin is tuple:
        return list
    if origin is dict or is_dataclass(kind):
        return dict
    if origin is typing.Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return str
    return kind if isinstance(kind, type) else object


def fits(kind: Any, raw: object) -> bool:
    """Whether the raw value has the plain type of the annotation."""
    wanted = base(kind)
    return type(raw) is wanted or (wanted is float and type(raw) is int)
