"""Topic patterns: `plant/{asset_id}/{param}/+/#`, and the names that a topic gives to its parts. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MOST_TOPIC_BYTES = 65_535  # MQTT 5, 1.5.4: the length of a string has two bytes
_NAME = re.compile(r"\{([^{}]*)\}")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, made by `parse_pattern`: `filter` is what the broker is asked for."""

    text: str
    filter: str
    names: tuple[str, ...]
    _expression: re.Pattern[str]

    def match(self, topic: str) -> Mapping[str, str] | None:
        """Name -> the part of the topic that stands there; None where the topic is another."""
        found = self._expression.fullmatch(topic)
        return None if found is None else found.groupdict()


def parse_pattern(text: str) -> Pattern:
    """The pattern that people write. Raises ValueError that says what is wrong and what can be written."""
    _check(text)
    levels = text.split("/")
    names: list[str] = []
    asked, parts = [], []
    for place, level in enumerate(levels):
        if level == "#" and place == len(levels) - 1:
            asked.append("#")
            continue
        asked.append("+" if level == "+" or "{" in level else level)
        parts.append(_level(text, level, names, is_first=place == 0))
    expression = "/".join(parts)
    if levels[-1] == "#":  # it stands for the level above it, too
        expression = f"{expression}(?:/.*)?" if parts else r"(?!\$).*"
    return Pattern(text, "/".join(asked), tuple(names), re.compile(expression, re.DOTALL))


def _check(text: str) -> None:
    problem = ""
    if not text or "\0" in text or len(text.encode()) > MOST_TOPIC_BYTES:
        problem = "a topic has 1 to 65535 bytes and no zero byte"
    elif text.startswith("$share/"):
        problem = "a shared subscription gives each reader only some of the messages: write the topic alone"
    if problem:
        msg = f"topic {text!r}: {problem}"
        raise ValueError(msg)


def _level(text: str, level: str, names: list[str], *, is_first: bool) -> str:
    """The expression of one level; a wildcard at the first does not stand for the broker's own ($SYS)."""
    plain = _NAME.sub("", level)
    if level == "+":
        return r"(?!\$)[^/]*" if is_first else "[^/]*"
    if set(plain) & set("+#{}"):
        msg = f'topic {text!r}: "{level}" is not understood: a level is text, +, or {{name}}; # stands at the end alone'
        raise ValueError(msg)
    for name in _NAME.findall(level):
        if not _IDENTIFIER.fullmatch(name) or name in names:
            msg = f"topic {text!r}: {{{name}}} must be small letters, digits and _, each name once"
            raise ValueError(msg)
        names.append(name)
    inner = "".join(
        f"(?P<{piece}>[^/]+)" if place % 2 else re.escape(piece) for place, piece in enumerate(_NAME.split(level))
    )
    return rf"(?!\$){inner}" if is_first and level.startswith("{") else inner


def fill(template: str, parts: Mapping[str, str]) -> str:
    """`{group}/{node}` with its names filled in; a name without a part is empty, and slashes at the ends go."""
    return _NAME.sub(lambda found: parts.get(found[1]) or "", template).strip("/")


def names_in(template: str) -> tuple[str, ...]:
    """The names that a template asks for."""
    return tuple(_NAME.findall(template))
