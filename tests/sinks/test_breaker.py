"""The circuit breaker."""

from streamforge.sinks.breaker import Breaker, BreakerState


def test_it_opens_after_five_failures_in_a_row_and_tries_once_after_thirty_seconds() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(100.0)
    assert breaker.state(100.0) is BreakerState.CLOSED
    breaker.failed(100.0)
    assert breaker.state(129.9) is BreakerState.OPEN
    assert breaker.state(130.0) is BreakerState.HALF_OPEN


def test_a_failed_try_opens_it_for_another_thirty_seconds() -> None:
    breaker = Breaker()
    for at in (0.0, 0.0, 0.0, 0.0, 0.0, 30.0):
        breaker.failed(at)
    assert breaker.state(59.0) is BreakerState.OPEN
    assert breaker.state(60.0) is BreakerState.HALF_OPEN


def test_a_success_closes_it() -> None:
    breaker = Breaker()
    for _ in range(7):
        breaker.failed(0.0)
    breaker.succeeded()
    assert breaker.state(0.0) is BreakerState.CLOSED
