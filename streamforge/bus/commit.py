"""Acknowledgements that wait for the disk: of alarms and events none is given before they survive a power cut.

Group commit: whatever the broker answered before a barrier begins is acknowledged by that one barrier, whoever wrote
it; what it answers meanwhile waits for the next. An acknowledgement so waits for two syncs at most, at any rate.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from streamforge import barrier
from streamforge.errors import NotConnected, StreamForgeError
from streamforge.model import Topic

ON_DISK_FIRST = frozenset(
    topic.value for topic in (Topic.EVENTS_RAW, Topic.EVENTS_CLEAN, Topic.ALARMS_RAW, Topic.ALARMS_CLEAN)
)
# `streamforge-syncd` gives up after 10 s and says why; one that starts anew is back within these.
BARRIER_SECONDS = 12.0
PATIENCE_SECONDS = 8.0
RETRY_SECONDS = 0.5


class GroupCommit:
    """Calls what was added, in order, once the disk has it. `directory`: where the socket of `streamforge-syncd` is.

    Where no barrier comes it calls `failed` once with the reason and ends: what waits is never acknowledged.
    """

    def __init__(self, directory: Path, failed: Callable[[StreamForgeError], None]) -> None:
        self._directory = directory
        self._failed = failed
        self._changed = threading.Condition()
        self._waiting: list[Callable[[], None]] = []
        self._open_count = 0
        self._has_ended = False
        self._thread: threading.Thread | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits for the disk."""
        return self._open_count > 0

    def add(self, done: Callable[[], None]) -> None:
        """Have `done` called in a thread of this object's once a barrier that begins from now on has ended."""
        with self._changed:
            if self._has_ended:
                return
            self._waiting.append(done)
            self._open_count += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing waits for the disk; False when that takes longer, or no barrier comes any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open_count or self._has_ended, max(0.0, timeout_seconds))
            return not self._open_count

    def close(self) -> None:
        """Call nothing any more."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._pass_barrier(time.monotonic_ns())
            except NotConnected as error:
                self._failed(error)
                self.close()
            else:
                self._call(batch)

    def _next(self) -> list[Callable[[], None]]:
        """All that waits; empty = the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._has_ended)
            batch, self._waiting = self._waiting, []
            return [] if self._has_ended else batch

    def _pass_barrier(self, since_ns: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                barrier.wait(since_ns, BARRIER_SECONDS, self._directory)
            except NotConnected:
                with self._changed:
                    if self._changed.wait_for(lambda: self._has_ended, RETRY_SECONDS) or time.monotonic() > deadline:
                        raise
            else:
                return

    def _call(self, batch: list[Callable[[], None]]) -> None:
        with self._changed:
            if self._has_ended:
                return
            for done in batch:
                done()
            self._open_count -= len(batch)
            self._changed.notify_all()
