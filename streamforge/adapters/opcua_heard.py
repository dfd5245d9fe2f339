"""Up to when the log has what a server sent, in the unit's state directory: what is sampled while no unit runs is lost.

A subscription ends with its unit, so the next one says from when to when nothing was seen.
"""

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamforge.durable import write_durably
from streamforge.logs import Log

FILE_NAME = "heard.json"
SAVE_SECONDS = 10.0
_MODE = 0o640
_log = Log("adapter")


@dataclass(slots=True)
class _Message:
    """One that was handed over, and whether the log has it."""

    at_us: int
    is_done: bool = False


class Heard:
    """Of one instance and one server (`url`): `before_us` is up to when the unit before heard it, 0 = none did."""

    def __init__(self, directory: Path, url: str) -> None:
        self._path, self._url = directory / FILE_NAME, url
        self.before_us = self._load()
        self._until_us = self._saved_us = 0
        self._saved_seconds = float("-inf")
        self._waiting: deque[_Message] = deque()
        self._is_complained = False

    def _load(self) -> int:
        try:
            held = json.loads(self._path.read_text())
            return int(held["until_us"]) if held["url"] == self._url else 0
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("heard_forgotten", file=FILE_NAME, reason=str(error))
            return 0

    def handed_over(self, at_us: int) -> Callable[[], None]:
        """A message that came at this time; the answer is to be called when the log has it."""
        message = _Message(at_us)
        self._waiting.append(message)

        def done() -> None:
            message.is_done = True
            while self._waiting and self._waiting[0].is_done:
                self._until_us = self._waiting.popleft().at_us

        return done

    def quiet(self, at_us: int) -> None:
        """The server says that it has nothing to say."""
        if not self._waiting:
            self._until_us = at_us

    def save(self, *, is_last: bool = False) -> None:
        """Write it, now and then and at the end; a disk that does not take it makes the next gap longer."""
        now = time.monotonic()
        is_due = is_last or now - self._saved_seconds >= SAVE_SECONDS
        if not is_due or self._until_us == self._saved_us:
            return
        self._saved_seconds = now
        try:
            write_durably(self._path, json.dumps({"url": self._url, "until_us": self._until_us}).encode(), mode=_MODE)
        except OSError as error:
            if not self._is_complained:
                _log.warning("heard_not_saved", reason=str(error))
            self._is_complained = True
        else:
            self._saved_us, self._is_complained = self._until_us, False
