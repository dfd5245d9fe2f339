"""The helper process from outside: started with an order, looked at now and then, never waited for."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO

from streamforge.gateway.overflow.order import Done, Order
from streamforge.gateway.process import die_with_parent

COMMAND = (sys.executable, "-m", "streamforge", "overflow", "--act")
MOST_SECONDS = 120.0
_STOP_SECONDS = 5.0


class Helper:
    """At most one at a time."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._process: subprocess.Popen[str] | None = None
        self._answer: IO[str] | None = None
        self._deadline = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether one was started whose answer has not been taken."""
        return self._process is not None

    def start(self, order: Order) -> None:
        """Start it. Raises OSError."""
        with TemporaryFile("w+", encoding="utf-8") as question:
            question.write(order.to_json())
            question.flush()
            os.lseek(question.fileno(), 0, os.SEEK_SET)
            self._answer = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed when the answer is taken
            self._process = subprocess.Popen(
                self._command,
                stdin=question,
                stdout=self._answer,
                text=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        self._deadline = time.monotonic() + MOST_SECONDS

    def poll(self) -> Done | None:
        """Its answer, once, when it has ended; one that takes too long is ended."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            if time.monotonic() > self._deadline:
                self._process.kill()
            return None
        code, answer = self._process.returncode, self._answer
        self._process = self._answer = None
        return _read(answer, code)

    def stop(self) -> None:
        """End it; what it had not done is done by the next one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
        if self._answer is not None:
            self._answer.close()
        self._process = self._answer = None


def _read(answer: IO[str] | None, code: int) -> Done:
    if answer is None:
        return Done(error="it said nothing")
    with answer:
        answer.seek(0)
        try:
            return Done.from_json(answer.read())
        except (ValueError, TypeError, KeyError):
            return Done(error=f"the helper process ended with {code}")
