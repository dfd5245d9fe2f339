"""Server-Sent Events: the parts of a page that changed, every two seconds; few seats, bounded life.

A page that was left holds its seat until the next write fails. So that somebody who walks through the pages quickly
is never refused, the oldest stream of the same login gives way when all seats are taken.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator

SEATS = 8
LIFE_SECONDS = 15 * 60.0
PERIOD_SECONDS = 2.0
# Beyond its life by what the last write may take.
DEADLINE_SECONDS = LIFE_SECONDS + 15.0
RETRY_MS = 3000

Blocks = Callable[[], dict[str, str] | None]


class Streams:
    """The seats. Thread-safe."""

    def __init__(self, seats: int = SEATS) -> None:
        self._most = seats
        self._lock = threading.Lock()
        self._open: list[Stream] = []

    def open(self, blocks: Blocks, owner: str) -> "Stream | None":
        """The events of one page, or None where all seats are taken by other owners (logins).

        `blocks` answers the page's parts, or None when the stream has to end (the session is over).
        """
        with self._lock:
            if len(self._open) >= self._most and not self._oldest_gives_way(owner):
                return None
            stream = Stream(blocks, owner, self._give_back)
            self._open.append(stream)
            return stream

    def stop(self) -> None:
        """End them all: the unit stops."""
        with self._lock:
            for stream in self._open:
                stream.over.set()

    def _oldest_gives_way(self, owner: str) -> bool:
        oldest = next((stream for stream in self._open if stream.owner == owner), None)
        if oldest is not None:
            self._open.remove(oldest)
            oldest.over.set()
        return oldest is not None

    def _give_back(self, stream: "Stream") -> None:
        with self._lock:
            if stream in self._open:
                self._open.remove(stream)


class Stream:
    """An iterator that gives its seat back exactly once, however it ends: read out, closed, or never begun."""

    def __init__(self, blocks: Blocks, owner: str, give_back: "Callable[[Stream], None]") -> None:
        self.owner = owner
        self.over = threading.Event()
        self._give_back = give_back
        self._events = _events(blocks, self.over)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            return next(self._events)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """WSGI's word for: the answer is over."""
        self._give_back(self)


def _events(blocks: Blocks, over: threading.Event) -> Iterator[str]:
    end = time.monotonic() + LIFE_SECONDS
    said: dict[str, str] = {}
    yield f"retry: {RETRY_MS}\n\n"
    while time.monotonic() < end and not over.is_set():
        fresh = blocks()
        if fresh is None:
            return
        changed = {name: html for name, html in fresh.items() if said.get(name) != html}
        said = fresh
        yield f"data: {json.dumps(changed)}\n\n"
        over.wait(PERIOD_SECONDS)
