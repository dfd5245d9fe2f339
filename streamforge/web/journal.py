"""The recent lines of our units in the journal, read with journalctl; needs the group systemd-journal."""

import json
import subprocess
from dataclasses import dataclass

from streamforge.errors import NotConnected

PRIORITIES = {"": "all", "3": "errors", "4": "warnings and worse", "6": "no debug"}
MOST_LINES = 120
_UNITS = ("streamforge-*", "kafka.service")
_TIMEOUT_SECONDS = 5.0
_LONGEST_MESSAGE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the journal; `priority` is syslog's, 0 (emergency) to 7 (debug)."""

    time_us: int
    unit: str
    priority: int
    text: str


def read(unit: str, priority: str) -> list[Line]:
    """The last lines, newest first. `unit` without ".service" or "" for all of ours; `priority` a key of PRIORITIES.

    Raises NotConnected with the reason where the journal cannot be read.
    """
    units = [f"{unit}.service"] if unit else list(_UNITS)
    command = ["journalctl", "--output=json", "--no-pager", "--reverse", "--quiet", f"--lines={MOST_LINES}"]
    command += [f"--unit={name}" for name in units]
    command += [f"--priority={priority}"] if priority else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"the journal cannot be read: {error}"
        raise NotConnected(msg) from error
    if done.returncode != 0 and not done.stdout:
        raise NotConnected(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "journalctl failed")
    return [line for line in map(parse, done.stdout.splitlines()) if line is not None]


def parse(text: str) -> Line | None:
    """One line of `journalctl --output=json`; None for what is none."""
    try:
        entry = json.loads(text)
        unit = entry.get("_SYSTEMD_UNIT") if entry.get("_SYSTEMD_UNIT") != "init.scope" else None
        return Line(
            time_us=int(entry["__REALTIME_TIMESTAMP"]),
            unit=str(unit or entry.get("UNIT") or "").removesuffix(".service"),
            priority=int(entry.get("PRIORITY", 6)),
            text=_message(entry.get("MESSAGE")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _message(message: object) -> str:
    """The message for people: our own JSON lines become "event key=value ..."."""
    if isinstance(message, list):  # journald's form for what is no UTF-8
        message = bytes(message).decode(errors="replace")
    text = "" if message is None else str(message)
    if text.startswith('{"event"'):
        text = _words_of(text)
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "\u2026"


def _words_of(text: str) -> str:
    try:
        fields = json.loads(text)
        event = str(fields.pop("event")).replace("_", " ")
        fields.pop("trace", None)
    except (ValueError, KeyError, AttributeError):
        return text
    return " ".join([event, *(f"{key}={value}" for key, value in fields.items() if value not in ("", None))])
