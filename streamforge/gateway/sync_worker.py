"""The thread that syncs: every half second of the monotonic clock, unless nothing was written; and who waits for it.

Whoever waits has the next sync begin at once, and all who wait by then share it.

It is a thread because a sync of a dead disk never comes back and cannot be interrupted: whoever waits or asks for the
state gets an answer all the same.
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from streamforge.errors import NotConnected

PERIOD_NS = 500_000_000
# What others write on the same file system shows in no look at the log. The kernel brings it to the disk by itself; a
# sync now and then finds out whether the disk took it.
REST_NS = 300_000_000_000
# Syncs that follow each other more closely only wear the disk.
LEAST_NS = 20_000_000
_NEVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the thread calls: `sync` raises OSError, `look` answers None where it cannot tell, the others report."""

    sync: Callable[[], None]
    look: Callable[[], Hashable | None]
    done: Callable[[float], None]
    skipped: Callable[[], None]
    failed: Callable[[OSError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the thread stands. Monotonic ns, -1 = never; `refused` is why a sync failed, "" = none has."""

    barrier_ns: int
    busy_since_ns: int
    refused: str

    def busy_seconds(self) -> float:
        """How long it has been at the disk, looking or syncing; 0 where it waits for its next turn."""
        return (time.monotonic_ns() - self.busy_since_ns) / 1e9 if self.busy_since_ns != _NEVER else 0.0

    def age_seconds(self) -> float:
        """How old the last barrier is; infinite before the first."""
        return (time.monotonic_ns() - self.barrier_ns) / 1e9 if self.barrier_ns != _NEVER else float("inf")


class SyncWorker:
    """Syncs until `stop`, and lets others wait for the next sync."""

    def __init__(self, work: Work, *, refused: str = "") -> None:
        """`refused`: why a sync failed before, since the machine was started."""
        self._work = work
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._barrier_ns = self._busy_ns = self._wanted_ns = _NEVER
        self._refused = refused
        self._covered: Hashable | None = None

    def start(self) -> None:
        """Begin, with a sync at once."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """One last sync and the end, if the disk answers in that time; whether it did."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(max(0.0, seconds))
        with self._changed:
            self._changed.notify_all()
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Whether the thread runs, be it in a sync that does not come back."""
        return self._thread.is_alive()

    def progress(self) -> Progress:
        """Where it stands now."""
        with self._changed:
            return self._progress()

    def _progress(self) -> Progress:
        return Progress(barrier_ns=self._barrier_ns, busy_since_ns=self._busy_ns, refused=self._refused)

    def wait(self, since_ns: int, seconds: float) -> int:
        """When the sync began that covers all written before `since_ns`, as soon as it has ended.

        Raises NotConnected with the reason: not in time, or a sync has failed. The kernel drops what it could not
        write, and a later sync that ends well has nothing of it: from a failure on there are no barriers any more.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            self._wanted_ns = max(self._wanted_ns, since_ns)
            self._changed.notify_all()
            while self._refused or self._barrier_ns < since_ns:
                self._expect_a_barrier(deadline - time.monotonic(), seconds)
                self._changed.wait(max(0.0, deadline - time.monotonic()))
            return self._barrier_ns

    def _expect_a_barrier(self, left_seconds: float, seconds: float) -> None:
        if self._refused:
            msg = f"the disk refused to write: {self._refused}"
            raise NotConnected(msg)
        if not self._thread.is_alive():
            msg = "the unit stops"
            raise NotConnected(msg)
        if left_seconds <= 0:
            busy_seconds = self._progress().busy_seconds()
            why = f": the disk has not answered for {busy_seconds:.1f} s" if busy_seconds else ""
            msg = f"no sync ended within {seconds:g} s{why}"
            raise NotConnected(msg)

    def _run(self) -> None:
        while not self._stop.is_set():
            began_ns = time.monotonic_ns()
            self._turn()
            self._rest(began_ns)
        self._sync(None)

    def _rest(self, began_ns: int) -> None:
        """Until the next turn, which somebody who waits brings forward."""
        # A slot that a long sync took is left out, never made up for.
        due_ns = began_ns + PERIOD_NS * max(1, -(-(time.monotonic_ns() - began_ns) // PERIOD_NS))
        with self._changed:
            while not self._stop.is_set():
                next_ns = began_ns + LEAST_NS if self._is_awaited() else due_ns
                left_ns = next_ns - time.monotonic_ns()
                if left_ns <= 0:
                    return
                self._changed.wait(left_ns / 1e9)

    def _is_awaited(self) -> bool:
        """Whether somebody waits for a barrier that may still come."""
        return self._wanted_ns > self._barrier_ns and not self._refused

    def _turn(self) -> None:
        with self._changed:
            self._busy_ns = time.monotonic_ns()
        look = self._work.look()
        if self._may_rest(look):
            with self._changed:
                self._busy_ns = _NEVER
            self._work.skipped()
        else:
            self._sync(look)

    def _may_rest(self, look: Hashable | None) -> bool:
        with self._changed:
            is_wanted = self._wanted_ns > self._barrier_ns
            is_fresh = time.monotonic_ns() - self._barrier_ns < REST_NS
        return look is not None and look == self._covered and is_fresh and not is_wanted

    def _sync(self, look: Hashable | None) -> None:
        """One sync; `look` was taken before it, so that what comes after the look is not taken for covered."""
        began_ns = time.monotonic_ns()
        with self._changed:
            self._busy_ns = began_ns
        error: OSError | None = None
        try:
            self._work.sync()
        except OSError as raised:
            error = raised
        seconds = (time.monotonic_ns() - began_ns) / 1e9
        if error is None:
            self._work.done(seconds)
        else:
            self._work.failed(error)
        with self._changed:
            self._busy_ns = _NEVER
            if error is None:
                self._barrier_ns, self._covered = began_ns, look
            else:
                self._refused = self._refused or error.strerror or str(error)
                self._covered = None
            self._changed.notify_all()
