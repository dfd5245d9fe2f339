"""The disk barrier under test: the real `streamforge syncd`, as its unit runs it, on the disk that is cut."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.barrier import UNIT, wait
from streamforge.bus.connection import Connection
from streamforge.errors import NotConnected
from streamforge.health import ask

START_SECONDS = 20.0
BARRIER_SECONDS = 10.0


@dataclass(slots=True)
class Barrier:
    """What the barrier did: its longest sync of late, known at the end. `run`: where its socket is, None = nowhere."""

    longest_seconds: float = 0.0
    run: Path | None = None

    def ask(self, what: str = "/health") -> str:
        """What the unit answers while it runs. Raises OSError."""
        return ask((self.run or Path()) / f"{UNIT}.sock", what).decode()

    def beside(self, connection: Connection) -> Connection:
        """The same way to the log, whose alarms and events are acknowledged as the product acknowledges them."""
        return replace(connection, barrier_directory=self.run)


@contextmanager
def barrier(mount: Path, directory: Path | None = None) -> Iterator[Barrier]:
    """While inside: what the log on `mount` grows by is synced every half second. Begins with a sync that has ended.

    `directory`: where its socket is to be.
    """
    with TemporaryDirectory(prefix="sf-") as own:  # a Unix socket's path is short (unix(7))
        run = directory or Path(own)
        environment = os.environ | {"STREAMFORGE_ROOT": str(mount), "STREAMFORGE_RUN": str(run)}
        process = subprocess.Popen([sys.executable, "-m", "streamforge", "syncd"], env=environment)
        seen = Barrier(run=run)
        try:
            _wait_for_the_first(run)
            yield seen
            seen.longest_seconds = json.loads(seen.ask())["details"]["worst_ms"] / 1e3
        finally:
            process.kill()  # not SIGTERM: its last sync would be one more than a cut leaves time for
            process.wait()


def _wait_for_the_first(run: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            wait(time.monotonic_ns(), BARRIER_SECONDS, run)
        except NotConnected:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
