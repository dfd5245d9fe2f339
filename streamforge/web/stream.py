"""Server-Sent Events: the parts of a page that changed, every two seconds; few seats, bounded life."""

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
        self._seats = threading.BoundedSemaphore(seats)
        self.stop = threading.Event()

    def open(self, blocks: Blocks) -> "Stream | None":
        """The events of one page, or None where all seats are taken.

        `blocks` answers the page's parts, or None when the stream has to end (the session is over).
        """
        if not self._seats.acquire(blocking=False):
            return None
        return Stream(self._events(blocks), self._seats.release)

    def _events(self, blocks: Blocks) -> Iterator[str]:
        end = time.monotonic() + LIFE_SECONDS
        said: dict[str, str] = {}
        yield f"retry: {RETRY_MS}\n\n"
        while time.monotonic() < end and not self.stop.is_set():
            fresh = blocks()
            if fresh is None:
                return
            changed = {name: html for name, html in fresh.items() if said.get(name) != html}
            said = fresh
            yield f"data: {json.dumps(changed)}\n\n"
            self.stop.wait(PERIOD_SECONDS)


class Stream:
    """An iterator that gives its seat back exactly once, however it ends: read out, closed, or never begun."""

    def __init__(self, events: Iterator[str], release: Callable[[], None]) -> None:
        self._events = events
        self._release: Callable[[], None] | None = release

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
        release, self._release = self._release, None
        if release is not None:
            release()
