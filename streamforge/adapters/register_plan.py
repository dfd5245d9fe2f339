"""Which requests read a device's points: neighbours are read together, across gaps that cost less than a request.

Pure: points in, requests out. A point is never split over two requests.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from streamforge.adapters.modbus_points import MOST_REGISTERS, Point
from streamforge.adapters.registers import Table

MOST_BITS = 2000
AUTOMATIC_GAP_REGISTERS = 16
GAP_BITS_PER_REGISTER = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one request may read, and over how many unwanted registers two wanted ones are joined.

    Bits cost a sixteenth of a register, so their gap is sixteen times as wide. Every register of a gap may be one that
    the device refuses, which is why the automatic gap stays far below what the wire alone would justify on TCP.
    """

    gap_registers: int = AUTOMATIC_GAP_REGISTERS
    most_registers: int = MOST_REGISTERS
    most_bits: int = MOST_BITS

    def gap(self, table: Table) -> int:
        """Unwanted addresses of `table` that are read rather than asked around."""
        return self.gap_registers * (GAP_BITS_PER_REGISTER if table.is_bits else 1)

    def most(self, table: Table) -> int:
        """Addresses of `table` that one request may read."""
        return self.most_bits if table.is_bits else self.most_registers


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One read of `count` addresses of `table` from `start`, and the points that stand in the answer, by address."""

    table: Table
    start: int
    count: int
    points: tuple[Point, ...]


def plan(points: Iterable[Point], budget: Budget | None = None) -> list[Request]:
    """The fewest requests, in order of table and address, that read every point once within the budget.

    A point wider than `most_registers` gets a request of its own.
    """
    budget = budget or Budget()
    ordered = sorted(points, key=lambda point: (point.table, point.start, point.end))
    return [
        request
        for table, group in groupby(ordered, key=lambda point: point.table)
        for request in _requests(table, list(group), budget)
    ]


def _requests(table: Table, points: Sequence[Point], budget: Budget) -> Iterator[Request]:
    taken: list[Point] = []
    end = 0
    for point in points:
        reaches = max(end, point.end)
        if taken and (point.start - end > budget.gap(table) or reaches - taken[0].start > budget.most(table)):
            yield _request(table, taken, end)
            taken, reaches = [], point.end
        taken.append(point)
        end = reaches
    if taken:
        yield _request(table, taken, end)


def _request(table: Table, points: Sequence[Point], end: int) -> Request:
    start = points[0].start
    return Request(table=table, start=start, count=end - start, points=tuple(points))
