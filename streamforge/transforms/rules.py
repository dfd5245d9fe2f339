"""Rules on readings, compiled once per asset and columns, so that a batch with nothing wrong costs a few C calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from math import inf, isnan
from operator import itemgetter, le
from typing import NamedTuple

from streamforge.model import Kind, Names, ReadingBatch

Pick = Callable[[Sequence[float]], Sequence[float]]
MOST_CACHED = 4096


class Action(StrEnum):
    """What happens to a reading outside its range."""

    REJECT = "reject"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Limits of every parameter that matches both patterns (`*`, `?`, `[...]`, case matters).

    `action` is for the range alone; a change faster than `rate_per_second` (in the parameter's unit) makes SUSPECT.
    """

    asset: str = "*"
    parameter: str = "*"
    min: float = -inf
    max: float = inf
    rate_per_second: float = inf
    action: Action = Action.REJECT

    def __post_init__(self) -> None:
        if not self.min <= self.max:
            msg = f"min {self.min:g} is above max {self.max:g}"
            raise ValueError(msg)
        if not self.rate_per_second > 0:
            msg = f"rate_per_second {self.rate_per_second:g} is not above 0"
            raise ValueError(msg)

    def breach(self, value: float) -> str:
        """What is wrong with this value's range, in words; empty = nothing."""
        if value < self.min:
            return f"{value:g} is below the minimum {self.min:g}"
        if value > self.max:
            return f"{value:g} is above the maximum {self.max:g}"
        if isnan(value) and (self.min, self.max) != (-inf, inf):
            return "not a number"
        return ""


class Guard(NamedTuple):
    """All rules of one parameter of one asset, with the narrowest limits among them."""

    low: float
    high: float
    rate_per_second: float
    rules: tuple[Rule, ...]


class Plan:
    """The rules of one asset's columns: which readings are looked at, and their limits, as columns too."""

    __slots__ = (
        "_highs", "_lows", "_pick", "guards", "rate_limits", "rated", "rated_names", "rated_once", "rated_pick",
    )  # fmt: skip

    def __init__(self, names: Names, guards: Sequence[Guard | None]) -> None:
        numbers = [
            (index, guard)
            for index, guard in enumerate(guards)
            if guard is not None and names.kinds[index] != Kind.STRING
        ]
        ranged = [(index, guard) for index, guard in numbers if (guard.low, guard.high) != (-inf, inf)]
        rated = [(index, guard) for index, guard in numbers if guard.rate_per_second != inf]
        self.guards = dict(ranged)
        self._pick = picker([index for index, _ in ranged], len(names))
        self._lows = tuple(guard.low for _, guard in ranged)
        self._highs = tuple(guard.high for _, guard in ranged)
        self.rated = tuple(index for index, _ in rated)
        self.rated_pick = picker(self.rated, len(names))
        self.rated_names = tuple(names.parameters[index] for index in self.rated)
        self.rated_once = len(set(self.rated_names)) == len(self.rated_names)
        self.rate_limits = tuple(guard.rate_per_second for _, guard in rated)

    def all_within(self, values: Sequence[float]) -> bool:
        """Whether every guarded value is within its narrowest range (false also for NaN, so for what is no double)."""
        if not self._lows:
            return True
        column = self._pick(values)
        return all(map(le, self._lows, column)) and all(map(le, column, self._highs))

    def breaches(self, batch: ReadingBatch) -> tuple[dict[int, str], dict[int, str]]:
        """The readings outside a range, index -> reason: those to reject and those to call SUSPECT."""
        rejects: dict[int, str] = {}
        suspects: dict[int, str] = {}
        for index, guard in self.guards.items():
            value = number(batch, index)
            if value is None or guard.low <= value <= guard.high:
                continue
            for rule in guard.rules:
                found = rejects if rule.action is Action.REJECT else suspects
                if index not in found and (reason := rule.breach(value)):
                    found[index] = reason
        return rejects, {index: reason for index, reason in suspects.items() if index not in rejects}


class Rules:
    """The configured rules, and the plans made of them; caches are bounded by starting anew."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._plans: dict[tuple[str, Names], Plan] = {}
        self._guards: dict[tuple[str, str], Guard | None] = {}

    def plan(self, asset_id: str, names: Names) -> Plan:
        """The plan of these columns of this asset."""
        plan = self._plans.get((asset_id, names))
        if plan is None:
            if len(self._plans) >= MOST_CACHED:
                self._plans.clear()
            plan = Plan(names, [self._guard(asset_id, parameter) for parameter in names.parameters])
            self._plans[asset_id, names] = plan
        return plan

    def _guard(self, asset_id: str, parameter: str) -> Guard | None:
        key = (asset_id, parameter)
        if key in self._guards:
            return self._guards[key]
        if len(self._guards) >= MOST_CACHED * 16:
            self._guards.clear()
        rules = tuple(
            rule for rule in self._rules if fnmatchcase(asset_id, rule.asset) and fnmatchcase(parameter, rule.parameter)
        )
        guard = self._guards[key] = _narrowest(rules) if rules else None
        return guard


def _narrowest(rules: tuple[Rule, ...]) -> Guard:
    return Guard(
        low=max(rule.min for rule in rules),
        high=min(rule.max for rule in rules),
        rate_per_second=min(rule.rate_per_second for rule in rules),
        rules=rules,
    )


def number(batch: ReadingBatch, index: int) -> float | None:
    """The reading as a number that compares (a big long as an int); None where it is text or null."""
    if index not in batch.others:
        return batch.values[index]
    value = batch.value(index)
    return None if value is None or isinstance(value, str) else value


def picker(indices: Sequence[int], length: int) -> Pick:
    """A function that takes these places out of a column of this length, at C speed."""
    if len(indices) == length:
        return lambda column: column
    if not indices:
        return lambda _column: ()
    if len(indices) == 1:
        only = indices[0]
        return lambda column: (column[only],)
    return itemgetter(*indices)
