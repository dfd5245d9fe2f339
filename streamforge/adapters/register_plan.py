"""Which requests read a device's points: neighbours are read together, across gaps that cost less than a request.

Pure: points in, requests out. A point is never split over two requests.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby

from streamforge.adapters.modbus_points import MOST_REGISTERS, Point
from streamforge.adapters.registers import Table

MOST_BITS = 2000
LEAST_AUTOMATIC_GAP = 16
GAP_BITS_PER_REGISTER = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one request may read, and over how many unwanted registers two wanted ones are joined.

    Bits cost a sixteenth of a register, so their gap is sixteen times as wide. `single_reads` are patterns of
    parameters ("energy", "p_*") that are never read together with others, for devices that insist.
    """

    gap_registers: int = LEAST_AUTOMATIC_GAP
    most_registers: int = MOST_REGISTERS
    most_bits: int = MOST_BITS
    single_reads: tuple[str, ...] = ()

    def is_single(self, point: Point) -> bool:
        """Whether this point wants a request of its own."""
        return any(fnmatchcase(point.parameter, pattern) for pattern in self.single_reads)

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
    together = [point for point in ordered if not budget.is_single(point)]
    requests = [
        request
        for table, group in groupby(together, key=lambda point: point.table)
        for request in _requests(table, list(group), budget)
    ]
    alone = groupby((p for p in ordered if budget.is_single(p)), key=lambda p: (p.table, p.start, p.end))
    requests += [request_of(list(group)) for _, group in alone]
    return sorted(requests, key=lambda request: (request.table, request.start))


def automatic_gap(request_seconds: float, register_seconds: float) -> int:
    """The gap up to which reading unwanted registers along costs less time than another request."""
    return int(request_seconds / register_seconds)


def request_of(points: Sequence[Point]) -> Request:
    """One request for these points of one table, from the first address of any to the last of any."""
    start, end = min(point.start for point in points), max(point.end for point in points)
    return Request(table=points[0].table, start=start, count=end - start, points=tuple(points))


def _requests(table: Table, points: Sequence[Point], budget: Budget) -> Iterator[Request]:
    taken: list[Point] = []
    end = 0
    for point in points:
        reaches = max(end, point.end)
        if taken and (point.start - end > budget.gap(table) or reaches - taken[0].start > budget.most(table)):
            yield request_of(taken)
            taken, reaches = [], point.end
        taken.append(point)
        end = reaches
    if taken:
        yield request_of(taken)
