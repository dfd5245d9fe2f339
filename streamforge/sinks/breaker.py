"""Leaves a failing target alone: open after five failures in a row, one try after thirty seconds. Pure."""

from dataclasses import dataclass
from enum import StrEnum

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 30.0


class BreakerState(StrEnum):
    """Where the breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(slots=True, kw_only=True)
class Breaker:
    """Counts failures of one target; times are seconds of a monotonic clock."""

    failures: int = 0
    _opened_at_seconds: float = 0.0

    def state(self, now_seconds: float) -> BreakerState:
        """Closed, open, or half-open: one try is due."""
        if self.failures < FAILURES_TO_OPEN:
            return BreakerState.CLOSED
        is_due = now_seconds - self._opened_at_seconds >= OPEN_SECONDS
        return BreakerState.HALF_OPEN if is_due else BreakerState.OPEN

    def failed(self, now_seconds: float) -> None:
        """One try more failed."""
        self.failures += 1
        if self.failures >= FAILURES_TO_OPEN:
            self._opened_at_seconds = now_seconds

    def succeeded(self) -> None:
        """The target works."""
        self.failures = 0
