"""The disk barrier under test. The seam: once `streamforge-syncd` is there, `barrier` runs that unit instead."""

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Barrier:
    """What the barrier did: how long each sync took."""

    took_seconds: list[float] = field(default_factory=list)


@contextmanager
def barrier(mount: Path, interval_seconds: float) -> Iterator[Barrier]:
    """While inside: everything written to the file system at `mount` is synced once an interval (monotonic)."""
    done, seen = threading.Event(), Barrier()
    directory = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    thread = threading.Thread(target=_sync_until, args=(done, directory, interval_seconds, seen))
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
        os.close(directory)


def _sync_until(done: threading.Event, directory: int, interval_seconds: float, seen: Barrier) -> None:
    due = time.monotonic() + interval_seconds
    while not done.wait(max(0.0, due - time.monotonic())):
        began = time.monotonic()
        sync(directory)
        seen.took_seconds.append(time.monotonic() - began)
        due = max(due + interval_seconds, began)


def sync(directory: int) -> None:
    """syncfs(2) on the file system of an open directory."""
    if _libc.syncfs(directory):
        raise OSError(ctypes.get_errno(), "syncfs")
