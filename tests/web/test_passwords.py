"""How often a password may be tried, and what a new one must be."""

from pathlib import Path

import pytest

from streamforge.gateway.passwords import make_hash
from streamforge.web.passwords import LONGEST_WAIT_SECONDS, Gate, PasswordStore, Verdict, Waits, weakness

RIGHT = "right horse battery"


def gate(directory: Path) -> Gate:
    (directory / "state").mkdir()
    (directory / "admin-password-hash").write_text(make_hash(RIGHT))
    return Gate(PasswordStore(credentials=directory, state=directory / "state"))


def test_waits_double_up_to_a_minute() -> None:
    waits, now = Waits(), 0.0
    seen = []
    for _ in range(9):
        waits.failed("address", now)
        seen.append(waits.left_seconds("address", now))
        now += seen[-1]
    assert seen == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(seen) == LONGEST_WAIT_SECONDS
    waits.passed("address")
    assert waits.left_seconds("address", now) == 0


def test_waits_are_forgotten_after_a_quarter_of_an_hour() -> None:
    waits = Waits()
    waits.failed("address", 0.0)
    waits.failed("address", 1000.0)
    assert waits.left_seconds("address", 1000.0) == 1


def test_addresses_remembered_are_bounded() -> None:
    waits = Waits()
    for number in range(5000):
        waits.failed(str(number), 0.0)
    assert waits.left_seconds("0", 0.0) == 0
    assert waits.left_seconds("4999", 0.0) > 0


def test_a_wrong_password_delays_the_account_from_everywhere(tmp_path: Path) -> None:
    door = gate(tmp_path)
    assert door.attempt("admin", "wrong", "10.0.0.1", 0.0)[0] is Verdict.WRONG
    assert door.attempt("admin", RIGHT, "10.0.0.2", 0.5)[0] is Verdict.WAIT
    assert door.attempt("admin", RIGHT, "10.0.0.2", 1.1)[0] is Verdict.RIGHT


def test_guessing_from_one_address_keeps_nobody_out_elsewhere(tmp_path: Path) -> None:
    door, now = gate(tmp_path), 0.0
    for _ in range(6):
        verdict, wait = door.attempt("admin", "wrong", "10.0.0.1", now)
        assert verdict is Verdict.WRONG
        now += wait
    assert wait == 32
    now -= wait
    assert door.attempt("admin", RIGHT, "10.0.0.2", now + 1.9)[0] is Verdict.WAIT
    assert door.attempt("admin", RIGHT, "10.0.0.2", now + 2.1)[0] is Verdict.RIGHT
    assert door.attempt("admin", RIGHT, "10.0.0.1", now + 2.2)[0] is Verdict.WAIT


def test_another_user_is_never_right_and_delays_the_address(tmp_path: Path) -> None:
    door = gate(tmp_path)
    assert door.attempt("root", RIGHT, "10.0.0.1", 0.0)[0] is Verdict.WRONG
    assert door.attempt("admin", RIGHT, "10.0.0.1", 0.5)[0] is Verdict.WAIT
    assert door.attempt("admin", RIGHT, "10.0.0.2", 0.5)[0] is Verdict.RIGHT


def test_a_damaged_hash_opens_for_nobody(tmp_path: Path) -> None:
    door = gate(tmp_path)
    (tmp_path / "admin-password-hash").write_text("")
    assert door.attempt("admin", "", "10.0.0.1", 0.0)[0] is Verdict.UNREADABLE


@pytest.mark.parametrize("password", ["short", "a" * 129, "aaaaaaaaaaaaaaaa", "the old password"])
def test_what_is_too_weak(password: str) -> None:
    assert weakness(password, "the old password")


def test_a_sentence_is_good() -> None:
    assert not weakness("Die Pumpe steht im Keller.", "the old password")
