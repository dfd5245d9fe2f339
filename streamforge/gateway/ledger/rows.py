"""The ledger as values: a row per adapter, epoch and sink, read = delivered + waiting + rejected + evicted."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

FIGURES = ("read", "delivered", "waiting", "rejected", "evicted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One adapter's epoch as one sink stands to it; all figures are readings.

    `note` says what lies behind the figures where a unit does not answer. Without `is_judged` not every figure could be
    counted by itself: `waiting` is then what remains, and whether the row balances says nothing.
    """

    adapter_id: str
    epoch: int
    sink: str
    read: int
    delivered: int = 0
    waiting: int = 0
    rejected: int = 0
    evicted: int = 0
    note: str = ""
    is_judged: bool = True

    @property
    def missing(self) -> int:
        """Readings that nobody accounts for; below zero, that were counted twice."""
        return self.read - self.delivered - self.waiting - self.rejected - self.evicted

    @property
    def balanced(self) -> bool:
        """Whether every reading is accounted for, once."""
        return self.missing == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All rows; the totals are of the sink that is furthest behind."""

    rows: tuple[Row, ...] = ()

    @property
    def balanced(self) -> bool:
        """Whether every row that can be judged is balanced, and there is one."""
        judged = [row.balanced for row in self.rows if row.is_judged]
        return bool(judged) and all(judged)

    def sinks(self) -> dict[str, tuple[Row, ...]]:
        """The rows of each sink, by its name."""
        names = sorted({row.sink for row in self.rows})
        return {name: tuple(row for row in self.rows if row.sink == name) for name in names}

    def totals(self) -> dict[str, int]:
        """Sums by figure over the rows of the sink with most readings waiting; zeros without a row."""
        sums = [total(rows) for rows in self.sinks().values()]
        return max(sums, key=lambda figures: figures["waiting"], default=total(()))

    def to_json(self) -> str:
        """One JSON object: totals, balanced, rows."""
        rows = [{**asdict(row), "balanced": row.balanced} for row in self.rows]
        return json.dumps({**self.totals(), "balanced": self.balanced, "rows": rows})


def total(rows: Iterable[Row]) -> dict[str, int]:
    """The sum of each figure."""
    rows = tuple(rows)
    return {figure: sum(getattr(row, figure) for row in rows) for figure in FIGURES}
