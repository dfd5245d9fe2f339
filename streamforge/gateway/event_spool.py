"""Events of units that have no Kafka client, as files on the data partition until `streamforge events` has sent them.

One JSON file an event, there whole or not at all, named `<number>-<event_id>.json`: numbers grow in the order of `put`
while anything waits (no clock: the event may be about one), and the same event_id never stands there twice.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streamforge.durable import write_durably
from streamforge.errors import Rejected
from streamforge.model import Event, Severity

MOST_EVENTS = 1_000
# Its reader is another user of the group `streamforge`, which the directory hands on.
_MODE = 0o640
_SUFFIX = ".json"


def place(root: Path) -> Path:
    """The spool of a gateway whose data lies at `root`."""
    return root / "spool" / "events"


class EventSpool:
    """The spool in `directory`, which must be there; each writer has one of its own."""

    def __init__(self, directory: Path, most_events: int = MOST_EVENTS) -> None:
        self.directory = directory
        self.dropped = 0
        self._most_events = most_events

    def put(self, event: Event) -> bool:
        """Keep the event; on the disk when this returns. Raises OSError.

        The oldest are kept: False, and one more `dropped`, where as many wait as may. An event that waits already is
        written anew under its name, so that whoever does not know whether it was put may put it again.
        """
        waiting = self.waiting()
        end = f"-{quote(event.event_id, safe='')}{_SUFFIX}"
        known = next((path for path in waiting if path.name.endswith(end)), None)
        if known is None and len(waiting) >= self._most_events:
            self.dropped += 1
            return False
        number = _number(waiting[-1]) + 1 if waiting else 1
        path = known or self.directory / f"{number:012d}{end}"
        write_durably(path, json.dumps(asdict(event)).encode(), mode=_MODE)
        return True

    def waiting(self) -> list[Path]:
        """The files that wait, oldest first. Raises OSError."""
        return sorted(path for path in self.directory.glob(f"*{_SUFFIX}") if path.name[0].isdigit())


def read(path: Path) -> Event:
    """The event in a file. Raises Rejected where it is damaged, OSError where it cannot be read."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        return Event(**{**raw, "severity": Severity(raw["severity"])})
    except (ValueError, TypeError, KeyError) as error:
        raise Rejected([0], f"{path.name} is not an event: {error}") from error


def set_damaged_aside(path: Path) -> Path:
    """Hide a file that is no event, so that it is kept and nobody is started for it. Raises OSError."""
    hidden = path.with_name(f".damaged-{path.name}")
    return path.rename(hidden)


def _number(path: Path) -> int:
    digits = path.name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
