"""What stands in the place of the product's group commit: the same promise, in simulated time and without a thread."""

from __future__ import annotations

from collections.abc import Callable

from streamforge.errors import StreamForgeError
from tests.faults.simulated.life import Life

SYNC_SECONDS = 0.3
LOOK_SECONDS = 0.02


class SimulatedCommit:
    """Has the log synced for what waits, and then calls it; what comes meanwhile waits for the next sync."""

    def __init__(self, life: Life, failed: Callable[[StreamForgeError], None]) -> None:
        del failed  # this disk always answers
        self._life = life
        self._broker = life.broker
        self._cuts = self._broker.log.cuts
        self._waiting: list[Callable[[], None]] = []
        self._under_way: list[Callable[[], None]] = []
        self._is_closed = False

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits for the disk."""
        return bool(self._waiting or self._under_way)

    def add(self, done: Callable[[], None]) -> None:
        """Have `done` called once a sync that begins from now on has ended."""
        self._waiting.append(done)
        if not self._under_way:
            self._begin()

    def wait(self, timeout_seconds: float) -> bool:
        """Let the world go on until nothing waits."""
        until = self._broker.clock.seconds + timeout_seconds
        while self.is_waiting and self._broker.clock.seconds < until:
            self._broker.wait(LOOK_SECONDS)
            if self._broker.log.cuts != self._cuts:
                self._life.end()
            self._life.touch()
        return not self.is_waiting

    def close(self) -> None:
        """Call nothing any more."""
        self._is_closed = True

    def _begin(self) -> None:
        self._under_way, self._waiting = self._waiting, []
        ends = {place: stand.end for place, stand in self._broker.log.stands.items()}

        def end() -> None:
            if self._is_closed or self._life.is_dead or self._broker.log.cuts != self._cuts:
                return
            self._broker.log.barrier(ends)
            done, self._under_way = self._under_way, []
            for call in done:
                call()
            if self._waiting:
                self._begin()

        self._broker.later(self._broker.draw.uniform(0.0, SYNC_SECONDS), end)
