"""When the broker is told of a topic's retention, and which retention `streamforge topics` leaves alone."""

from pathlib import Path

from streamforge.gateway.overflow.loans import Loans
from streamforge.gateway.overflow.retention import with_loans

TABLE, LENT = {"a": 10, "b": 20}, {"a": 13, "b": 17}


def test_without_a_loan_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert Loans(tmp_path).change(TABLE, TABLE) == {}
    assert Loans(tmp_path).change({}, TABLE) == {}


def test_a_loan_is_said_once_and_its_end_too(tmp_path: Path) -> None:
    loans = Loans(tmp_path)
    assert loans.change(LENT, TABLE) == LENT
    loans.begin(LENT)
    assert loans.change(LENT, TABLE) == LENT, "nobody knows yet whether the broker has it"
    loans.end()
    assert loans.change(LENT, TABLE) == {}
    assert loans.change(TABLE, TABLE) == TABLE
    loans.begin(TABLE)
    loans.end()
    assert loans.change(TABLE, TABLE) == {}


def test_after_a_restart_a_loan_is_said_again_for_it_may_have_been_called_in(tmp_path: Path) -> None:
    Loans(tmp_path).begin(LENT)
    assert Loans(tmp_path).change(LENT, TABLE) == LENT
    assert Loans(tmp_path).change(TABLE, TABLE) == TABLE


def test_after_the_last_loan_has_ended_a_restart_says_nothing(tmp_path: Path) -> None:
    loans = Loans(tmp_path)
    for retention in (LENT, TABLE):
        loans.change(retention, TABLE)
        loans.begin(retention)
        loans.end()
    assert Loans(tmp_path).change(TABLE, TABLE) == {}


def test_what_is_lent_of_the_same_budget_stays_and_anything_else_becomes_the_table() -> None:
    assert with_loans(TABLE, LENT) == LENT
    assert with_loans(TABLE, {"a": 13, "b": 18}) == TABLE
    assert with_loans(TABLE, {"a": -1, "b": 31}) == TABLE
    assert with_loans(TABLE, {"a": 30}) == TABLE
