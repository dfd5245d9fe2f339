"""How full the disk is, told to whoever writes telemetry: one small file that `streamforge-overflow` keeps fresh.

A gate that nobody keeps fresh is open: when the controller is dead nobody would ever open it, and what the topics'
own retention bounds is bounded without it.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from streamforge.health import RUN_DIRECTORY

FILE = "pressure.json"
# Some looks of the controller, and a restart of it.
STALE_SECONDS = 30.0
# How often a writer looks at the file's stamp.
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """The controller's word. `tier` in per cent (0 = none), `monotonic_ns` is CLOCK_MONOTONIC when it was written."""

    tier: int
    is_gated: bool
    used_percent: float
    monotonic_ns: int


def write(directory: Path, pressure: Pressure) -> None:
    """Replace the file in one step. Raises OSError."""
    draft = directory / f".{FILE}.part"
    draft.write_text(json.dumps(asdict(pressure)))
    draft.rename(directory / FILE)


def read(directory: Path) -> Pressure | None:
    """What stands there; None where nothing does, or nothing that can be understood."""
    try:
        return Pressure(**json.loads((directory / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


class Gate:
    """A writer's view of the file: read anew only when its stamp has changed, looked at a few times a second."""

    def __init__(self, directory: Path = RUN_DIRECTORY) -> None:
        self._directory = directory
        self._looked_at = float("-inf")
        self._stamp = (0, 0)
        self._pressure: Pressure | None = None

    @property
    def reason(self) -> str:
        """Why telemetry must wait, for people; "" = it may go to the log."""
        self._look()
        told = self._pressure
        if told is None or not told.is_gated or time.monotonic_ns() - told.monotonic_ns > STALE_SECONDS * 1e9:
            return ""
        return f"the disk is {told.used_percent:.0f} % full"

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            seen = (self._directory / FILE).stat()
        except OSError:
            self._stamp, self._pressure = (0, 0), None
            return
        stamp = (seen.st_mtime_ns, seen.st_ino)
        if stamp != self._stamp:
            self._stamp, self._pressure = stamp, read(self._directory)
