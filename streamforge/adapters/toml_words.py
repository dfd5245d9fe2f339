"""Values as TOML writes them, for the configurations that a probe prints."""

import json

_DELETE = "\x7f"  # the one control character that JSON leaves as it is and TOML does not take


def quoted(text: str) -> str:
    """A text of whatever characters in quotes."""
    return json.dumps(text, ensure_ascii=False).replace(_DELETE, "\\u007f")


def pair(key: str, value: str | float | bool) -> str:  # noqa: FBT001 - a value of TOML
    """`key = value`."""
    return f"{key} = {quoted(value) if isinstance(value, str) else json.dumps(value)}"


def row(**values: str | float | bool) -> str:
    """One row of an array of tables, on one line; empty texts are left out."""
    return f"{{ {', '.join(pair(key, value) for key, value in values.items() if value != '')} }}"


def rows(key: str, lines: list[str]) -> str:
    """An array, a line an element."""
    return "\n".join([f"{key} = [", *(f"  {line}," for line in lines), "]"])
