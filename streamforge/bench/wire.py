"""`streamforge bench wire KIND FILE SECONDS`: what an adapter that is sent to costs, from the wire to its readings.

There is no log: everything is acknowledged at once. It prints CPU microseconds a reading.
"""

import asyncio
import importlib
import inspect
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from streamforge.adapters.base import Batch, Refused, Subscriber, nothing
from streamforge.config import load
from streamforge.errors import Fatal, NotConnected
from streamforge.model import Alarm, Event

WAIT_SECONDS = 0.1
WARM_UP_SECONDS = 1.0
MOST_WAITS = 1_200


class Counter:
    """An inbox that counts readings and has room for all."""

    def __init__(self) -> None:
        self.readings = 0

    async def put(self, batch: Batch) -> None:
        """Taken."""
        self.offer(batch)

    def offer(self, batch: Batch) -> None:
        """Taken."""
        self.readings += len(batch.values)
        batch.done()

    def signal(self, _signal: Event | Alarm, done: Callable[[], None] = nothing) -> None:
        """Taken."""
        done()

    def refuse(self, _refused: Refused, done: Callable[[], None] = nothing) -> None:
        """Taken."""
        done()


def run(arguments: Sequence[str]) -> int:
    """Measure and print the figure. Raises Fatal where nothing comes."""
    kind, file, seconds = arguments
    print(asyncio.run(_measure(_made(kind, Path(file)), float(seconds))))
    return 0


def _made(kind: str, file: Path) -> Subscriber[Any]:
    module = importlib.import_module(f"streamforge.adapters.{kind.replace('-', '_')}")
    (found,) = (
        one
        for one in vars(module).values()
        if inspect.isclass(one) and one.__module__ == module.__name__ and issubclass(one, Subscriber)
    )
    adapter: Subscriber[Any] = found(load(file, found.Config))
    adapter.place("bench", file.parent)
    return adapter


async def _measure(adapter: Subscriber[Any], seconds: float) -> float:
    counter = Counter()
    listening = asyncio.create_task(_listen(adapter, counter))
    try:
        for _ in range(MOST_WAITS):
            if counter.readings or listening.done():
                break
            await asyncio.sleep(WAIT_SECONDS)
        await asyncio.sleep(WARM_UP_SECONDS)
        readings, cpu_seconds = counter.readings, time.process_time()
        await asyncio.sleep(seconds)
        readings, cpu_seconds = counter.readings - readings, time.process_time() - cpu_seconds
    finally:
        while not listening.done():  # before Python 3.12 `wait_for` drops a cancellation that comes with an answer
            listening.cancel()
            await asyncio.wait({listening}, timeout=WAIT_SECONDS)
        await adapter.close()
    if not readings:
        raise Fatal("no readings came")
    return cpu_seconds / readings * 1e6


async def _listen(adapter: Subscriber[Any], counter: Counter) -> None:
    """Connect, again and again until the peer is there, and listen for ever."""
    (peer,) = adapter.peers
    while True:
        try:
            await adapter.connect(peer)
            while True:
                await adapter.listen(peer, counter)
        except (NotConnected, OSError):
            await asyncio.sleep(WAIT_SECONDS)
