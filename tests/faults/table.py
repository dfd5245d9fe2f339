"""The tables of a campaign: a row for each fault, and of power cuts of a bare log for each topic."""

import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from tests.faults.cases import Case
from tests.faults.rounds import Outcome
from tests.faults.seen import Seen

CUT_COLUMNS = (
    "fault", "topic", "cuts", "acknowledged before", "lost, sum / most", "window max", "doubled", "missed",
    "recovery p50 / max", "seed", "date", "machine",
)  # fmt: skip
COLUMNS = (
    "fault", "count", "acknowledged", "lost", "doubled", "reported", "recovery p50 / max", "further, p50 / max",
    "missed", "seed", "date", "machine",
)  # fmt: skip


def table_of_cuts(outcomes: Sequence[Outcome], cases: Mapping[str, Case], seed: str) -> str:
    """Power cuts of a bare log, as Markdown."""
    rows = []
    for case in cases.values():
        own = [outcome for outcome in outcomes if outcome.case == case.name]
        rows += list(_cut_rows(case, own, seed))
    return _table(CUT_COLUMNS, rows)


def table(seen: Sequence[Seen], seed: str) -> str:
    """All other faults, in the order in which they were first seen, as Markdown."""
    faults = dict.fromkeys(one.fault for one in seen)
    return _table(COLUMNS, [_row(fault, [one for one in seen if one.fault == fault], seed) for fault in faults])


def machine() -> str:
    """What it ran on: nothing that names this machine among others of its kind."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _row(fault: str, seen: Sequence[Seen], seed: str) -> tuple[str, ...]:
    names = dict.fromkeys(name for one in seen for name in one.figures)
    figures = {name: [one.figures[name] for one in seen if name in one.figures] for name in names}
    return (
        fault,
        str(len(seen)),
        str(sum(one.acknowledged for one in seen)),
        str(sum(one.lost for one in seen)),
        str(sum(one.doubled for one in seen)),
        f"{sum(one.is_reported for one in seen)} of {len(seen)}",
        f"{_middle_and_most([one.recovery_seconds for one in seen])} s",
        "; ".join(f"{name} {_middle_and_most(values)}" for name, values in figures.items()),
        str(sum(bool(one.breaches) for one in seen)),
        seed,
        *_when_and_where(),
    )


def _cut_rows(case: Case, outcomes: Sequence[Outcome], seed: str) -> Iterator[tuple[str, ...]]:
    for bound in case.bounds if outcomes else ():
        verdicts = [outcome.verdicts[bound.topic] for outcome in outcomes]
        lost = [verdict.lost for verdict in verdicts]
        missed = sum(any(text.startswith(bound.topic) for text in outcome.breaches) for outcome in outcomes)
        yield (
            case.fault,
            bound.topic,
            str(len(outcomes)),
            str(sum(verdict.acknowledged for verdict in verdicts)),
            f"{sum(lost)} / {max(lost)}",
            f"{max(verdict.window_seconds for verdict in verdicts):.2f} s",
            str(sum(verdict.doubled for verdict in verdicts)),
            str(missed),
            f"{_middle_and_most([outcome.recovery_seconds for outcome in outcomes])} s",
            seed,
            *_when_and_where(),
        )


def _middle_and_most(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} / {max(values):.1f}"


def _when_and_where() -> tuple[str, str]:
    return f"{datetime.now(tz=UTC):%Y-%m-%d}", machine()


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_line(cells) for cells in (columns, ("---",) * len(columns), *rows))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
