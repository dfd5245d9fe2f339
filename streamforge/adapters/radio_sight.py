"""Payloads of radio nodes as a probe shows them: in every type side by side, and as rows to start from. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence

from streamforge.adapters import probing
from streamforge.adapters.modbus_sight import table_of
from streamforge.adapters.register_image import IMAGE_REGISTERS
from streamforge.adapters.registers import Table

DASH = "-"
"""What a cell shows where nothing is known."""


def registers_table(title: str, payload: bytes) -> probing.Table:
    """The payload as registers, each in every type and byte order; the last byte of an odd one is a `.hi`."""
    whole = (payload + b"\0" * (len(payload) % 2))[: 2 * IMAGE_REGISTERS]
    values = {at // 2: int.from_bytes(whole[at : at + 2], "big") for at in range(0, len(whole), 2)}
    return table_of(title, Table.HOLDING_REGISTER, values)


def register_rows(payload: bytes, prefix: str = "", **keys: object) -> list[str]:
    """Rows that read every register of the payload, to be renamed and typed; `keys` stand in each."""
    count = min(len(payload) // 2, IMAGE_REGISTERS)
    rows = [row(f"{prefix}hr{at}", f"HR{at}", type="uint16", **keys) for at in range(count)]
    if len(payload) % 2 and count < IMAGE_REGISTERS:
        rows.append(row(f"{prefix}hr{count}_hi", f"HR{count}.hi", type="uint8", **keys))
    return rows


def row(param: str, at: str, **keys: object) -> str:
    """One tag row as TOML."""
    pairs = {"param": param, "at": at, **keys}
    return "{ " + ", ".join(f"{key} = {toml(value)}" for key, value in pairs.items()) + " }"


def table(name: str, keys: Mapping[str, object]) -> str:
    """A table as TOML; what is empty is left out."""
    return "\n".join(
        [name, *(f"{key} = {toml(value)}" for key, value in keys.items() if value is not None and value != "")]
    )


def device(keys: Mapping[str, object], rows: Sequence[str]) -> str:
    """A table of [[devices]] with its rows."""
    return table("[[devices]]", keys) + "\ntags = [\n" + "".join(f"  {one},\n" for one in rows) + "]"


def toml(value: object) -> str:
    """A text, a number or a list of texts as TOML writes it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    # the escapes of JSON are TOML's, too, but for one character that TOML wants escaped
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def asset_ids(names: Iterable[str]) -> list[str]:
    """A name for each that can stand for an asset, none twice."""
    found: list[str] = []
    for name in names:
        plain = "".join(letter if letter.isalnum() else "_" for letter in name.lower()).strip("_") or "node"
        number, unique = 1, plain
        while unique in found:
            number += 1
            unique = f"{plain}_{number}"
        found.append(unique)
    return found
