"""A sink's progress in its own state directory too: for when its target, or the sink itself, cannot be asked.

A hint for people and for the ledger. Where reading goes on, the target alone decides.
"""

import time
from contextlib import suppress
from pathlib import Path

from streamforge.progress import LAST_PROGRESS, Progress

EVERY_SECONDS = 30.0


class LastProgress:
    """The note in `directory`; without one nothing is noted."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / LAST_PROGRESS if directory is not None else None
        self._noted: Progress | None = None
        self._next = 0.0

    def read(self) -> Progress | None:
        """What the last run noted; None where there is nothing to be read."""
        if self._path is not None:
            with suppress(OSError, ValueError):
                return Progress.from_json(self._path.read_text())
        return None

    def note(self, progress: Progress | None, *, is_last: bool = False) -> None:
        """Every half minute, and when the sink ends. A disk that does not take it ends nothing: it is a hint."""
        if self._path is None or progress is None or progress == self._noted:
            return
        if not is_last and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        part = self._path.with_suffix(".part")
        with suppress(OSError):
            part.write_text(progress.to_json())
            part.rename(self._path)
            self._noted = progress
