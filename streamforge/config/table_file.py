"""Rows in a CSV file beside the TOML file, as plants keep their tag lists: one line a row, one key a column."""

import csv
import io
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SEPARATORS = ",;\t"
LIST_SEPARATOR = " "


@dataclass(frozen=True, slots=True)
class TableFile:
    """In `Annotated[tuple[Row, ...], TableFile()]`: the key's value is the name of a CSV file in the same folder."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number in the file, its cells as TOML would give them, by key, and those beyond the last column."""

    number: int
    cells: Mapping[str, object]
    beyond: tuple[str, ...] = ()


def read_lines(path: Path, row: type[Any], keys: Mapping[str, str]) -> tuple[list[str], list[Line]]:
    """The columns that stand in the first line, and the lines; `keys` leads from a key to the field of `row`.

    Cells become what the field's type asks for, where they can; empty ones are left out. Separated by comma, semicolon
    or tabulator, whichever the first line has; a list within a cell by blanks. Raises OSError, ValueError (not UTF-8).
    """
    text = path.read_text(encoding="utf-8-sig")
    head = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    columns = [cell.strip() for cell in next(reader, [])]
    hints = typing.get_type_hints(row)
    kinds = {key: _kinds(hints[name]) for key, name in keys.items()}
    found = []
    for cells in reader:
        pairs = [(key, cell.strip()) for key, cell in zip(columns, cells, strict=False)]
        values = {key: _value(cell, kinds.get(key, [str])) for key, cell in pairs if cell}
        if values:
            found.append(Line(reader.line_num, values, tuple(cell for cell in cells[len(columns) :] if cell.strip())))
    return columns, found


def keys_of(row: type[Any]) -> dict[str, str]:
    """Key -> field of a row's dataclass, as `build.toml_key` names them."""
    return {item.metadata.get("key", item.name): item.name for item in fields(row) if item.init}


def _kinds(hint: Any) -> list[Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _kinds(args[0])
    if origin in {typing.Union, types.UnionType}:
        return [kind for part in args for kind in _kinds(part) if kind is not type(None)]
    return [tuple] if origin is tuple else [hint]


def _value(text: str, kinds: Iterable[Any]) -> object:
    """The cell as the most exact kind that it fits; as text where it fits none, which the builder then says."""
    kinds = list(kinds)
    if bool in kinds and text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    for kind, read in ((int, lambda cell: int(cell, 0)), (float, float)):
        if kind in kinds:
            try:
                return read(text)
            except ValueError:
                continue
    if tuple in kinds and not any(isinstance(kind, type) and issubclass(kind, Enum) for kind in kinds):
        return [_value(part, [int, float]) for part in text.split(LIST_SEPARATOR) if part]
    return text
