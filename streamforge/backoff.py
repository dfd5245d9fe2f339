"""How long to wait before the next try: 0.5 s doubling to 30 s, with full jitter: a fleet must not knock in step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom
from typing import TypeVar

from streamforge.errors import NotConnected

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0
Result = TypeVar("Result")
_random = SystemRandom()


def full_jitter(ceiling_seconds: float) -> float:
    """A wait between nothing and the ceiling (AWS Architecture Blog, 'Exponential Backoff And Jitter')."""
    return _random.uniform(0.0, ceiling_seconds)


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Counts failures of one peer and answers the wait before the next try, in seconds."""

    first_seconds: float = FIRST_SECONDS
    most_seconds: float = MOST_SECONDS
    jitter: Callable[[float], float] = field(default=full_jitter)
    failures: int = 0

    def next_seconds(self) -> float:
        """Count one failure; the wait it earns."""
        ceiling = min(self.most_seconds, self.first_seconds * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return self.jitter(ceiling)

    def reset(self) -> None:
        """The peer answered: the next failure waits the shortest time again."""
        self.failures = 0


def patiently(work: Callable[[], Result], seconds: float) -> Result:
    """What `work` returns, tried again while its peer is away, for so long. Raises the last NotConnected."""
    deadline = time.monotonic() + seconds
    backoff = Backoff()
    while True:
        try:
            return work()
        except NotConnected:
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0:
                raise
            time.sleep(min(backoff.next_seconds(), left_seconds))
