"""Payloads of radio nodes as a probe shows them: in every type side by side, and as rows to start from. Pure."""

from collections.abc import Iterable, Mapping

from streamforge.adapters import probing, toml_words
from streamforge.adapters.modbus_sight import table_of
from streamforge.adapters.register_image import IMAGE_REGISTERS
from streamforge.adapters.registers import Table

TomlValue = str | float | list[str]
DASH = "-"
"""What a cell shows where nothing is known."""


def registers_table(title: str, payload: bytes) -> probing.Table:
    """The payload as registers, each in every type and byte order; the last byte of an odd one is a `.hi`."""
    whole = (payload + b"\0" * (len(payload) % 2))[: 2 * IMAGE_REGISTERS]
    values = {at // 2: int.from_bytes(whole[at : at + 2], "big") for at in range(0, len(whole), 2)}
    return table_of(title, Table.HOLDING_REGISTER, values)


def register_rows(payload: bytes, prefix: str = "", **keys: float) -> list[str]:
    """Rows that read every register of the payload, to be renamed and typed; `keys` stand in each."""
    count = min(len(payload) // 2, IMAGE_REGISTERS)
    rows = [row(f"{prefix}hr{at}", f"HR{at}", type="uint16", **keys) for at in range(count)]
    if len(payload) % 2 and count < IMAGE_REGISTERS:
        rows.append(row(f"{prefix}hr{count}_hi", f"HR{count}.hi", type="uint8", **keys))
    return rows


def row(param: str, at: str, **keys: str | float) -> str:
    """One tag row as TOML."""
    return toml_words.row(param=param, at=at, **keys)


def table(name: str, keys: Mapping[str, TomlValue]) -> str:
    """A table as TOML; what is empty is left out."""
    return "\n".join([name, *(_pair(key, value) for key, value in keys.items() if value not in ("", []))])


def _pair(key: str, value: TomlValue) -> str:
    if isinstance(value, list):
        return f"{key} = [{', '.join(map(toml_words.quoted, value))}]"
    return toml_words.pair(key, value)


def device(keys: Mapping[str, TomlValue], rows: list[str]) -> str:
    """A table of [[devices]] with its rows."""
    return "\n".join([table("[[devices]]", keys), toml_words.rows("tags", rows)])


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
