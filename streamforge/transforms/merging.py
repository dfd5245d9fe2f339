"""A window made of the windows below it: each contributes once, and its later revision replaces the earlier one."""

from array import array
from collections.abc import Sequence
from itertools import repeat
from math import inf, sqrt
from operator import add, itemgetter, mul, sub
from typing import Any

from streamforge.model import AggregateBatch
from streamforge.transforms.samples import NOTHING, Statistics
from streamforge.transforms.sketch import EMPTY, Sketch, count_of

Row = tuple[Any, ...]


class Contribution:
    """What a merge needs of one window below, small: it is kept as long as the window above."""

    __slots__ = ("columns", "parameters", "revision", "total", "units")

    def __init__(self, batch: AggregateBatch) -> None:
        self.revision = batch.revision
        self.parameters = batch.parameters
        self.units = batch.units
        self.total = readings_of(batch)
        counts = array("Q", map(count_of, batch.sketches))
        self.columns: tuple[Sequence[Any], ...] = (
            counts,
            _filled(batch.avg, counts, 0.0), _filled(batch.min, counts, inf), _filled(batch.max, counts, -inf),
            _filled(batch.stddev, counts, 0.0),
            array("Q", batch.good), array("Q", batch.suspect), array("Q", batch.bad),
            tuple(batch.sketches),
        )  # fmt: skip


ABSENT: Row = (0, 0.0, inf, -inf, 0.0, 0, 0, 0, EMPTY)


class Merging:
    """The content of a window of windows."""

    __slots__ = ("_parts", "total")

    def __init__(self) -> None:
        self.total = 0
        self._parts: dict[int, Contribution] = {}

    def put(self, batch: AggregateBatch) -> None:
        """Take a window below in, in place of an earlier revision of it; an older revision is passed over."""
        before = self._parts.get(batch.window_start_us)
        if before is not None:
            if batch.revision < before.revision:
                return
            self.total -= before.total
        part = self._parts[batch.window_start_us] = Contribution(batch)
        self.total += part.total

    def batch(self, asset_id: str, start_us: int, end_us: int, revision: int) -> AggregateBatch:
        """The window as a record."""
        parts = [part for _, part in sorted(self._parts.items(), key=itemgetter(0))]
        units = {name: unit for part in parts for name, unit in zip(part.parameters, part.units, strict=True) if unit}
        parameters = _union(parts)
        stacked = [_stacked(parts, parameters, place) for place in range(len(ABSENT))]
        rows = [describe(row) for row in zip(*stacked[:5], stacked[8], strict=True)]
        avg, low, high, stddev, p50, p95, p99, sketches = zip(*rows, strict=True) if rows else ((),) * 8
        good, suspect, bad = (tuple(map(sum, column)) for column in stacked[5:8])
        return AggregateBatch(
            asset_id=asset_id, window_start_us=start_us, window_end_us=end_us, revision=revision,
            parameters=parameters, units=tuple(units.get(name, "") for name in parameters),
            avg=avg, min=low, max=high, stddev=stddev, count=tuple(map(add, good, suspect)), p50=p50, p95=p95, p99=p99,
            good=good, suspect=suspect, bad=bad, sketches=sketches,
        )  # fmt: skip


def readings_of(batch: AggregateBatch) -> int:
    """How many readings a window counts, BAD ones too."""
    return sum(batch.good) + sum(batch.suspect) + sum(batch.bad)


def describe(row: Row) -> Statistics:
    """The statistics of all values together, from each part's: counts, averages, lows, highs, stddevs, sketches.

    A part without values has count 0 and no effect.
    """
    counts, averages, lows, highs, stddevs, sketches = row
    count = sum(counts)
    if not count:
        return NOTHING
    low, high = min(lows), max(highs)
    avg = min(max(sum(map(mul, counts, averages)) / count, low), high)
    apart = list(map(sub, averages, repeat(avg)))
    squares = map(add, map(mul, stddevs, stddevs), map(mul, apart, apart))
    stddev = sqrt(sum(map(mul, counts, squares)) / count)
    sketch = Sketch.merged(sketches)
    p50, p95, p99 = sketch.quantiles(low, high)
    return Statistics(avg, low, high, stddev, p50, p95, p99, sketch.pack())


def _filled(values: Sequence[float], counts: Sequence[int], empty: float) -> "array[float]":
    """NaN stands where nothing was counted; there `empty` takes part in sums and extremes without effect."""
    if 0 not in counts:
        return array("d", values)
    return array("d", [value if count else empty for value, count in zip(values, counts, strict=True)])


def _union(parts: Sequence[Contribution]) -> tuple[str, ...]:
    first = parts[0].parameters
    if all(part.parameters is first or part.parameters == first for part in parts):
        return first
    return tuple(dict.fromkeys(name for part in parts for name in part.parameters))


def _stacked(parts: Sequence[Contribution], parameters: tuple[str, ...], place: int) -> list[Row]:
    """One column of all parts, transposed: for each parameter what every part says of it."""
    columns = []
    for part in parts:
        column = part.columns[place]
        if part.parameters is not parameters and part.parameters != parameters:
            index = {name: row for row, name in enumerate(part.parameters)}
            rows = [index.get(name, -1) for name in parameters]
            column = [column[row] if row >= 0 else ABSENT[place] for row in rows]
        columns.append(column)
    return list(zip(*columns, strict=True))
