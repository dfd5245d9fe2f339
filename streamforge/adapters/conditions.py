"""`when = "> 80"`: the condition under which a value is an alarm."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from streamforge.model import Value

_COMPARISON = re.compile(r"(>=|<=|==|!=|=|>|<)\s*(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)")
_TRUTHS = {"true": True, "false": False}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A comparison with a number; the truth of a value is that with 0."""

    symbol: str
    threshold: float

    def holds(self, value: Value) -> bool | None:
        """Whether a value meets it; None where the value is no number."""
        if not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
            return None
        return _OPERATORS[self.symbol](value, self.threshold)


def parse_condition(text: str) -> Condition:
    """The condition that people write. Raises ValueError with what can be written."""
    plain = text.strip().lower()
    if plain in _TRUTHS:
        return Condition(symbol="!=" if _TRUTHS[plain] else "=", threshold=0.0)
    found = _COMPARISON.fullmatch(plain)
    try:
        return Condition(symbol=found[1], threshold=float(found[2])) if found else _unknown(text)
    except ValueError:
        return _unknown(text)


def _unknown(text: str) -> Condition:
    msg = f'when {text!r} is not understood: write "true", "false", or a comparison such as "> 80", "<= 3", "!= 0"'
    raise ValueError(msg)
