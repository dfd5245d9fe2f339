"""What every adapter's configuration means."""

from dataclasses import replace

from streamforge.adapters.base import RetryPolicy
from streamforge.backoff import Backoff


def ceilings(backoff: Backoff, count: int) -> list[float]:
    certain = replace(backoff, jitter=lambda ceiling: ceiling)
    return [certain.next_seconds() for _ in range(count)]


def test_a_retry_policy_doubles_from_its_first_wait_to_its_most() -> None:
    assert ceilings(RetryPolicy(first_ms=50, most_ms=300).backoff(), 5) == [0.05, 0.1, 0.2, 0.3, 0.3]


def test_without_a_word_it_is_half_a_second_to_thirty() -> None:
    assert ceilings(RetryPolicy().backoff(), 8) == [0.5, 1, 2, 4, 8, 16, 30, 30]
