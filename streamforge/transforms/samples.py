"""The readings of one window, kept as the columns they came in and turned into statistics once, when it closes."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from math import isfinite, nan, sqrt
from operator import mul, sub
from typing import NamedTuple

from streamforge.model import AggregateBatch, Quality, ReadingBatch
from streamforge.transforms.sketch import EMPTY, packed_values, ranks_of

GOOD, BAD = int(Quality.GOOD), int(Quality.BAD)


class Statistics(NamedTuple):
    """One parameter in one window; everything but the sketch is NaN where there is no finite value."""

    avg: float
    low: float
    high: float
    stddev: float
    p50: float
    p95: float
    p99: float
    sketch: bytes


NOTHING = Statistics(nan, nan, nan, nan, nan, nan, nan, EMPTY)


class Strip(NamedTuple):
    """Readings of one batch that fall into one window; NaN stands for what is no number. No qualities = all GOOD."""

    parameters: tuple[str, ...]
    units: tuple[str, ...]
    values: Sequence[float]
    qualities: bytes


class Column(NamedTuple):
    """All readings of one parameter in one window."""

    unit: str
    values: Sequence[float]
    good: int
    suspect: int
    bad: int


class Samples:
    """The content of a window of readings."""

    __slots__ = ("_rejected", "_strips", "total")

    def __init__(self) -> None:
        self.total = 0
        self._strips: list[Strip] = []
        self._rejected: dict[str, int] = {}

    def add(self, strip: Strip) -> None:
        """Take readings in; their order does not matter."""
        self._strips.append(strip)
        self.total += len(strip.values)

    def reject(self, rejected: Mapping[str, int]) -> None:
        """Take in what the validator took out, as BAD readings."""
        for parameter, count in rejected.items():
            self._rejected[parameter] = self._rejected.get(parameter, 0) + count
            self.total += count

    def batch(self, asset_id: str, start_us: int, end_us: int, revision: int) -> AggregateBatch:
        """The window as a record."""
        columns = _with_rejected(_columns(self._strips), self._rejected)
        self._strips = [strip._replace(values=_small(strip.values)) for strip in self._strips]
        parts = zip(*[describe(column.values) for column in columns.values()], strict=True)
        avg, low, high, stddev, p50, p95, p99, sketches = parts if columns else ((),) * 8
        units, _, good, suspect, bad = zip(*columns.values(), strict=True) if columns else ((),) * 5
        return AggregateBatch(
            asset_id=asset_id, window_start_us=start_us, window_end_us=end_us, revision=revision,
            parameters=tuple(columns), units=units, avg=avg, min=low, max=high, stddev=stddev,
            count=tuple(map(sum, zip(good, suspect, strict=True))), p50=p50, p95=p95, p99=p99,
            good=good, suspect=suspect, bad=bad, sketches=sketches,
        )  # fmt: skip


def numbers(batch: ReadingBatch) -> Sequence[float]:
    """The batch's values as doubles, big longs rounded; NaN for text and null."""
    if not batch.others:
        return batch.values
    values = list(batch.values)
    for index in batch.others:
        value = batch.value(index)
        values[index] = float(value) if isinstance(value, int) else nan
    return values


def describe(values: Sequence[float]) -> Statistics:
    """The statistics of these values; what is not finite is passed over."""
    if len(values) == 1 and isfinite(values[0]):
        only = values[0]
        return Statistics(only, only, only, 0.0, only, only, only, packed_values(values))
    ordered = sorted(values) if isfinite(sum(values)) else sorted(filter(isfinite, values))
    count = len(ordered)
    if not count:
        return NOTHING
    low, high = ordered[0], ordered[-1]
    if low == high:
        return Statistics(low, low, low, 0.0, low, low, low, packed_values(ordered))
    avg = min(max(sum(ordered) / count, low), high)
    apart = list(map(sub, ordered, repeat(avg)))
    stddev = sqrt(sum(map(mul, apart, apart)) / count)
    p50, p95, p99 = ranks_of(count)
    return Statistics(avg, low, high, stddev, ordered[p50], ordered[p95], ordered[p99], packed_values(ordered))


@lru_cache(maxsize=4096)
def _are_unique(parameters: tuple[str, ...]) -> bool:
    return len(set(parameters)) == len(parameters)


def _small(values: Sequence[float]) -> Sequence[float]:
    return values if isinstance(values, array) else array("d", values)


def _columns(strips: Sequence[Strip]) -> dict[str, Column]:
    """Parameter by parameter; at C speed where all strips have the same parameters, each once, and none is BAD."""
    if not strips:
        return {}
    parameters, units, _, _ = strips[0]
    is_same = all(strip.parameters is parameters or strip.parameters == parameters for strip in strips)
    if not is_same or not _are_unique(parameters) or any(BAD in strip.qualities for strip in strips):
        return _gathered(strips)
    values = zip(*[strip.values for strip in strips], strict=True)
    good: Iterable[int] = repeat(len(strips))
    if any(strip.qualities for strip in strips):
        all_good = bytes(len(parameters))
        good = [marks.count(GOOD) for marks in zip(*[strip.qualities or all_good for strip in strips], strict=True)]
    return {
        parameter: Column(unit, column, sure, len(strips) - sure, 0)
        for parameter, unit, column, sure in zip(parameters, units, values, good, strict=False)
    }


def _gathered(strips: Sequence[Strip]) -> dict[str, Column]:
    values: dict[str, list[float]] = {}
    marks: dict[str, bytearray] = {}
    units: dict[str, str] = {}
    for strip in strips:
        qualities = strip.qualities or bytes(len(strip.values))
        for parameter, unit, value, quality in zip(strip.parameters, strip.units, strip.values, qualities, strict=True):
            if parameter not in values:
                values[parameter], marks[parameter], units[parameter] = [], bytearray(), unit
            marks[parameter].append(quality)
            if quality != BAD:
                values[parameter].append(value)
    return {name: _counted(units[name], values[name], marks[name]) for name in values}


def _counted(unit: str, values: Sequence[float], marks: bytearray) -> Column:
    good, bad = marks.count(GOOD), marks.count(BAD)
    return Column(unit, values, good, len(marks) - good - bad, bad)


def _with_rejected(columns: dict[str, Column], rejected: Mapping[str, int]) -> dict[str, Column]:
    for parameter, count in rejected.items():
        column = columns.get(parameter, Column("", (), 0, 0, 0))
        columns[parameter] = column._replace(bad=column.bad + count)
    return columns
