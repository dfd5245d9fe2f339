"""What the page shows comes from the log; a broker that goes away is said, and its return is not missed."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.web.follower import Follower
from streamforge.web.last_values import LastValues
from tests.broker import new_broker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]
# 5 s of silence, 4 s of asking, and what a busy machine adds.
NOTICED_SECONDS = 40.0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ThrowAwayBroker]:
    """A broker that a test may kill."""
    with new_broker(tmp_path) as broker:
        yield broker


def step_until(follower: Follower, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + NOTICED_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        follower.step(threading.Event())


def test_a_log_that_goes_away_is_said_and_its_return_is_seen(
    own: ThrowAwayBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own.environment("web").items():
        monkeypatch.setenv(name, value)
    values = LastValues()
    values.problem = "not yet"
    follower = Follower(values, "web")
    step_until(follower, lambda: not values.problem)
    own.kill()
    step_until(follower, lambda: values.problem == "the log does not answer")
    own.start()
    step_until(follower, lambda: not values.problem)
    follower.close()
