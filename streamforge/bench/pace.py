"""So many a second, in small bursts: a sleep for each would cost more than what is sent."""

import time
from collections.abc import Iterator
from typing import TypeVar

BURST_SECONDS = 0.01
T = TypeVar("T")


def paced(items: Iterator[T], per_second: int) -> Iterator[T]:
    """The items at that pace. What was late is not caught up with: a burst would measure a queue."""
    due = time.monotonic()
    burst = max(1, round(per_second * BURST_SECONDS))
    for number, item in enumerate(items):
        if number % burst == 0:
            due = max(due + burst / per_second, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
        yield item
