"""The table of a campaign: a row for each fault and topic."""

import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from tests.faults.cases import Case
from tests.faults.rounds import Outcome

COLUMNS = (
    "fault", "topic", "cuts", "acknowledged before", "lost, sum / most", "window max", "doubled", "missed",
    "recovery p50 / max", "seed", "date", "machine",
)  # fmt: skip


def table(outcomes: Sequence[Outcome], cases: Mapping[str, Case], seed: str) -> str:
    """The whole table as Markdown."""
    lines = [_line(COLUMNS), _line(("---",) * len(COLUMNS))]
    for case in cases.values():
        own = [outcome for outcome in outcomes if outcome.case == case.name]
        lines += [_line(row) for row in _rows(case, own, seed)]
    return "\n".join(lines)


def machine() -> str:
    """What it ran on: nothing that names this machine among others of its kind."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _rows(case: Case, outcomes: Sequence[Outcome], seed: str) -> Iterator[tuple[str, ...]]:
    for bound in case.bounds if outcomes else ():
        verdicts = [outcome.verdicts[bound.topic] for outcome in outcomes]
        lost = [verdict.lost for verdict in verdicts]
        recovery = [outcome.recovery_seconds for outcome in outcomes]
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
            f"{statistics.median(recovery):.1f} / {max(recovery):.1f} s",
            seed,
            f"{datetime.now(tz=UTC):%Y-%m-%d}",
            machine(),
        )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
