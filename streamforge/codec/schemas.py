"""The schema table: every schema this gateway writes or ever wrote, by id. The file name carries id and kind."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import fastavro
from fastavro.types import Schema

PACKAGE = "streamforge"
FOLDER = "schemas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One schema of the table: `kind` is the record's name, `text` the canonical JSON, `parsed` fastavro's form."""

    schema_id: int
    kind: str
    text: str
    parsed: Schema


@cache
def table() -> dict[int, Known]:
    """Every schema by id; read once from the package."""
    found: dict[int, Known] = {}
    for entry in resources.files(PACKAGE).joinpath(FOLDER).iterdir():
        number, _, rest = entry.name.partition("-")
        if not rest.endswith(".avsc"):
            continue
        schema: dict[str, Any] = json.loads(entry.read_text(encoding="utf-8"))
        found[int(number)] = Known(
            schema_id=int(number),
            kind=schema["name"],
            text=json.dumps(schema, separators=(",", ":")),
            parsed=fastavro.parse_schema(schema),
        )
    return found


@cache
def newest(kind: str) -> Known:
    """The schema that records of this kind are written with: the highest id of that name."""
    return max((known for known in table().values() if known.kind == kind), key=lambda known: known.schema_id)
