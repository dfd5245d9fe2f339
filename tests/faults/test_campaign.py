"""A campaign: what is planned, what it remembers, and what its table says."""

from dataclasses import replace
from pathlib import Path

from tests.faults.cases import CASES, NO_BARRIER, SHIPPED, TELEMETRY
from tests.faults.cuts import CUTS_A_ROUND, keep, plan, read
from tests.faults.invariants import Verdict
from tests.faults.rounds import Outcome, moments
from tests.faults.table import table_of_cuts

GOOD = Verdict(
    acknowledged=100,
    lost=7,
    window_seconds=0.61,
    torn=0,
    doubled=0,
    disordered=0,
    missing_offsets=0,
    moved=0,
    quiet_seconds=0.01,
)
OUTCOME = Outcome(
    case=SHIPPED.name,
    seed="s-0",
    cut=0,
    took_seconds=0.01,
    recovery_seconds=4.5,
    longest_barrier_seconds=0.1,
    verdicts={bound.topic: GOOD for bound in SHIPPED.bounds},
    breaches=[],
)


def test_all_cuts_are_planned_once_and_promised_cases_get_as_many() -> None:
    planned = plan("s", 41)
    promised = [one for one in planned if one.case.is_promised]
    assert sum(one.cuts for one in promised) == 41
    assert max(one.cuts for one in promised) <= CUTS_A_ROUND
    shares = [sum(one.cuts for one in promised if one.case is case) for case in CASES.values() if case.is_promised]
    assert max(shares) - min(shares) <= 1
    assert len({(one.case.name, one.seed) for one in planned}) == len(planned)


def test_every_campaign_has_its_control_experiment() -> None:
    assert [one.case for one in plan("s", 1) if not one.case.is_promised] == [NO_BARRIER]


def test_a_seed_repeats_the_moments_and_another_gives_others() -> None:
    first = moments(SHIPPED, "s", 5)
    assert first == moments(SHIPPED, "s", 5) == sorted(first)
    assert first != moments(SHIPPED, "t", 5)
    assert min(first) >= SHIPPED.first_seconds


def test_judged_rounds_are_remembered_as_they_were(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state.jsonl"
    assert read(state) == []
    silent = replace(GOOD, quiet_seconds=float("inf"))
    outcomes = [OUTCOME, replace(OUTCOME, cut=1, verdicts={TELEMETRY: silent}, breaches=["telemetry.raw: nothing"])]
    keep(state, outcomes)
    assert read(state) == outcomes


def test_the_table_sums_what_was_lost_and_counts_what_was_not_kept() -> None:
    bad = replace(
        OUTCOME,
        recovery_seconds=9.0,
        verdicts=OUTCOME.verdicts | {TELEMETRY: replace(GOOD, lost=50, window_seconds=1.25)},
        breaches=[f"{TELEMETRY}: F3: too long"],
    )
    row = next(line for line in table_of_cuts([OUTCOME, bad], CASES, "s").splitlines() if TELEMETRY in line)
    assert f"| {TELEMETRY} | 2 | 200 | 57 / 50 | 1.25 s | 0 | 1 | 6.8 / 9.0 s | s |" in row
