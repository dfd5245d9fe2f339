"""How long to wait before the next try."""

import pytest

from streamforge.backoff import Backoff, full_jitter, patiently
from streamforge.errors import NotConnected


def test_the_ceiling_doubles_from_half_a_second_to_thirty() -> None:
    backoff = Backoff(jitter=lambda ceiling: ceiling)
    assert [backoff.next_seconds() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_an_answer_starts_over() -> None:
    backoff = Backoff(jitter=lambda ceiling: ceiling)
    backoff.next_seconds()
    backoff.next_seconds()
    backoff.reset()
    assert backoff.next_seconds() == 0.5


def test_a_peer_away_for_years_does_not_overflow() -> None:
    assert Backoff(failures=10**9, jitter=lambda ceiling: ceiling).next_seconds() == 30.0


def test_jitter_is_anywhere_below_the_ceiling() -> None:
    waits = [full_jitter(10.0) for _ in range(200)]
    assert all(0.0 <= wait <= 10.0 for wait in waits)
    assert min(waits) < 3.0
    assert max(waits) > 7.0


def test_what_a_peer_refuses_is_tried_again_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    refusals = iter([NotConnected("away"), NotConnected("away")])

    def work() -> int:
        for refusal in refusals:
            raise refusal
        return 7

    assert patiently(work, 60.0) == 7


def test_patience_ends_with_the_last_refusal() -> None:
    def work() -> None:
        raise NotConnected("away")

    with pytest.raises(NotConnected):
        patiently(work, 0.0)
