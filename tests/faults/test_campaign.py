"""A campaign: what is planned, what it remembers, and what its table says."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.campaign import CUTS, arguments, chosen, play_on
from tests.faults.cases import CASES, NO_BARRIER, SHIPPED, TELEMETRY
from tests.faults.cuts import CUTS_A_ROUND, keep, plan, read
from tests.faults.invariants import Verdict
from tests.faults.one_by_one import counted
from tests.faults.rounds import Outcome, moments
from tests.faults.seen import Seen
from tests.faults.subjects import SUBJECTS, Subject
from tests.faults.table import table as faults_table
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


def a_subject(played: list[tuple[int, int]]) -> Subject:
    """One that notes what it was asked for; its second fault was not kept."""

    def play(seed: str, first: int, count: int) -> Iterator[Seen]:
        played.append((first, count))
        for number in range(first, first + count):
            breaches = ["I1: one is missing"] if number == 1 else []
            yield Seen(
                fault="kill", seed=seed, number=number, acknowledged=10, lost=len(breaches), breaches=breaches,
                recovery_seconds=1.0 + number, figures={"load": float(number)},
            )  # fmt: skip

    return Subject(name="kill", option="kills", play=play)


def test_a_campaign_goes_on_after_the_last_fault_that_was_judged(tmp_path: Path) -> None:
    played: list[tuple[int, int]] = []
    subject, state = a_subject(played), tmp_path / "new" / "state.jsonl"
    assert [seen.number for seen in play_on(subject, "s", 2, state)] == [0, 1]
    assert [seen.number for seen in play_on(subject, "s", 3, state)] == [0, 1, 2]
    assert len(play_on(subject, "s", 3, state)) == 3
    assert played == [(0, 2), (2, 1)]


def test_a_row_sums_what_its_faults_did_and_counts_what_was_not_kept(tmp_path: Path) -> None:
    row = faults_table(play_on(a_subject([]), "s", 3, tmp_path / "state.jsonl"), "s").splitlines()[2]
    assert row.startswith("| kill | 3 | 30 | 1 | 0 | 3 of 3 | 2.0 / 3.0 s | load 1.0 / 2.0 | 1 | s |")


def test_cuts_of_a_bare_log_are_what_is_done_when_nothing_is_asked_for() -> None:
    assert arguments([]).cuts == CUTS
    asked = arguments(["--kills", "3", "--only", "kill-broker"])
    assert asked.cuts == 0
    assert [(subject.name, count) for subject, count in chosen(asked).items()] == [("kill-broker", 3)]


def test_number_n_of_a_list_is_case_n_and_each_round_has_a_seed_of_its_own() -> None:
    def play(seed: str, case: str) -> Iterator[Seen]:
        yield Seen(fault=f"{case} {seed}", seed=seed, number=0, acknowledged=1)

    seen = list(counted(play, ["slow", "full"])("s", 1, 3))
    assert [(one.fault, one.seed, one.number) for one in seen] == [
        ("full s-0", "s", 1),
        ("slow s-1", "s", 2),
        ("full s-1", "s", 3),
    ]


def test_every_subject_has_a_name_of_its_own_and_can_be_asked_for() -> None:
    names = [subject.name for subject in SUBJECTS]
    assert len(set(names)) == len(names)
    for subject in SUBJECTS:
        assert chosen(arguments([f"--{subject.option}", "3", "--only", subject.name])) == {subject: 3}


def test_a_subject_that_nobody_knows_is_said() -> None:
    with pytest.raises(SystemExit):
        arguments(["--only", "kill-joy"])
