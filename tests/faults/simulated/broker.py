"""The simulated broker: whether it answers, and what of late requests it still takes."""

from collections.abc import Callable
from random import Random

from tests.faults.simulated.clock import Clock
from tests.faults.simulated.log import Log

Deliver = Callable[[], None]


class Broker:
    """Serves the log while `is_up` and not `is_stopped` (SIGSTOP).

    `later(seconds, call)` is the world's schedule, and `wait(seconds)` lets the world go on while a caller blocks.
    """

    def __init__(self, clock: Clock, draw: Random) -> None:
        self.clock = clock
        self.draw = draw
        self.log = Log(clock.wall_us)
        self.is_up = True
        self.is_stopped = False
        self.on_the_wire: list[Deliver] = []
        self.later: Callable[[float, Callable[[], None]], None]
        self.wait: Callable[[float], None]

    @property
    def answers(self) -> bool:
        """Whether a request is served."""
        return self.is_up and not self.is_stopped

    def go_on(self) -> None:
        """SIGCONT: what lay in its sockets comes first."""
        self.is_stopped = False
        waiting, self.on_the_wire = self.on_the_wire, []
        for deliver in waiting:
            deliver()

    def die(self) -> None:
        """kill -9: what it has not taken is gone, what it has taken stands in the page cache."""
        self.is_up = self.is_stopped = False
        self.on_the_wire.clear()
