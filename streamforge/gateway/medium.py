"""Whether the disk is slow, from how long its last syncs took. Pure.

A sync that takes longer than the period of half a second breaks the promise of "at most one second". A memory card that
tidies up does that now and then; one that does it again and again is at its end, or too slow for what is written.
"""

import os
from collections import deque

# How many times longer than usual a disk may take before anything is said: one that others use too, as a container's.
PATIENCE = float(os.environ.get("STREAMFORGE_SYNC_PATIENCE", "1"))
SLOW_SECONDS = 0.5 * PATIENCE
RECENT = 60
# Of the recent syncs: so many make it slow, so few well again.
MANY, FEW = 10, 2


class Medium:
    """The durations of the recent syncs, and the word for them."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=RECENT)
        self.is_slow = False

    def took(self, seconds: float) -> bool:
        """One more sync; whether that changed the word."""
        self._seconds.append(seconds)
        was_slow = self.is_slow
        self.is_slow = self.slow_syncs > FEW if was_slow else self.slow_syncs >= MANY
        return self.is_slow != was_slow

    @property
    def slow_syncs(self) -> int:
        """How many of the recent ones were slow."""
        return sum(seconds > SLOW_SECONDS for seconds in tuple(self._seconds))

    @property
    def recent(self) -> int:
        """How many are judged: RECENT at most."""
        return len(self._seconds)

    def figures(self) -> dict[str, float]:
        """`p50_ms`, `p99_ms` and `worst_ms` of the recent ones; 0 before the first."""
        ordered = sorted(self._seconds) or [0.0]
        last = len(ordered) - 1
        at = {"p50_ms": ordered[round(last * 0.5)], "p99_ms": ordered[round(last * 0.99)], "worst_ms": ordered[-1]}
        return {name: round(seconds * 1e3, 1) for name, seconds in at.items()}
