"""JSON payloads: paths such as `$.motor.temp[0]`, and what stands at them. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from streamforge.adapters.mqtt_readings import Unreadable

# A level: .name, [0], [-1], ['any name'].
_STEP = re.compile(r"\.([^.\[\]'\"]+)|\[(-?\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
MOST_LEAVES = 10_000


class _Absent:
    """Stands for what is not there: a null is there."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Path:
    """The way to a value; from the point of an array (`@`) or from the whole message (`$`)."""

    steps: tuple[str | int, ...]
    is_of_point: bool = False

    def find(self, whole: Any, point: Any = None) -> Any:
        """What stands there; ABSENT where nothing does."""
        found = point if self.is_of_point else whole
        for step in self.steps:
            is_table = isinstance(step, str)
            if is_table and isinstance(found, dict) and step in found:
                found = found[step]
            elif not is_table and isinstance(found, list) and -len(found) <= step < len(found):  # type: ignore[operator] # an int, as just seen
                found = found[step]  # type: ignore[index] # likewise
            else:
                return ABSENT
        return found


def parse_path(text: str) -> Path:
    """The path that people write. Raises ValueError that says what can be written."""
    steps: list[str | int] = []
    place = 1
    while text[:1] in {"$", "@"} and place < len(text):
        step = _STEP.match(text, place)
        if step is None:
            break
        name, index, single, double = step.groups()
        steps.append(
            int(index) if index is not None else next(one for one in (name, single, double) if one is not None)
        )
        place = step.end()
    if text[:1] not in {"$", "@"} or place < len(text):
        msg = (
            f"path {text!r} is not understood: write for example $.motor.temp, $.values[0], $['a name'], @.v in a point"
        )
        raise ValueError(msg)
    return Path(tuple(steps), is_of_point=text.startswith("@"))


def parse_json(payload: bytes) -> Any:
    """The message. Raises Unreadable with the place of the fault."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        msg = "empty payload" if not payload else f"not JSON: {error}"
        raise Unreadable(msg) from None


def leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Every number, text, truth and null with its dotted name, a.b[0]. Raises Unreadable for too many."""
    open_values: list[tuple[str, Any]] = [("", value)]
    count = 0
    while open_values:
        name, value = open_values.pop()
        if isinstance(value, dict):
            open_values += [(f"{name}.{key}" if name else key, inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            open_values += [(f"{name}[{index}]", value[index]) for index in range(len(value) - 1, -1, -1)]
        else:
            count += 1
            if count > MOST_LEAVES:
                msg = f"more than {MOST_LEAVES} values in one message"
                raise Unreadable(msg)
            yield name, value
