"""An event loop in simulated time: where it would wait for its next timer, the world goes on up to then."""

import asyncio
import selectors
from collections.abc import Callable
from random import Random
from typing import Any

from streamforge.errors import StreamForgeError
from tests.faults.simulated.clock import Clock
from tests.faults.simulated.life import Life

THREAD_SECONDS = 0.3
Advance = Callable[[float, Life], None]


class _Selector(selectors.SelectSelector):
    """Nothing is ever ready but time."""

    def __init__(self, clock: Clock, life: Life, advance: Advance) -> None:
        super().__init__()
        self._clock = clock
        self._life = life
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the loop waits for nothing")
        if timeout > 0:
            until = max(self._clock.seconds + timeout, self._life.stopped_until)
            self._advance(until, self._life)
        if self._life.is_dead:
            self._life.touch()
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """The loop of one process. What it gives to a worker thread is done at once; the answer comes when it is drawn."""

    def __init__(self, clock: Clock, life: Life, advance: Advance, draw: Random) -> None:
        super().__init__(_Selector(clock, life, advance))
        self._sim_clock = clock
        self._draw = draw
        self.set_exception_handler(lambda _loop, _context: None)  # tasks of a killed process are pending

    def time(self) -> float:
        """Simulated monotonic seconds."""
        return self._sim_clock.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override] # the base class says the same with type variables
        """Run `func` now or in a moment, as a worker thread might; the answer comes later."""
        del executor
        future = self.create_future()
        seconds = self._draw.uniform(0.0, THREAD_SECONDS)
        if self._draw.random() < 0.5:
            self.call_later(seconds, self._answer, future, func, args)
        else:
            self._run(future, func, args, seconds)
        return future

    def _answer(self, future: "asyncio.Future[Any]", func: Callable[..., Any], args: Any) -> None:
        self._run(future, func, args, 0.0)

    def _run(self, future: "asyncio.Future[Any]", func: Callable[..., Any], args: Any, seconds: float) -> None:
        try:
            result = func(*args)
        except (StreamForgeError, OSError) as error:
            self.call_later(seconds, _settle, future, None, error)
        else:
            self.call_later(seconds, _settle, future, result, None)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is no thread."""


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
