"""The tables of Sparkplug nodes on disk, so that a restart needs no birth."""

import json
from pathlib import Path

from streamforge.adapters.sparkplug_nodes import Node, from_json, to_json
from streamforge.durable import write_durably
from streamforge.logs import Log

FILE_NAME = "sparkplug.json"
_MODE = 0o640
_log = Log("adapter")


def load(directory: Path | None) -> dict[tuple[str, str], Node]:
    """What was known; nothing where there is no file that can be read, which is said."""
    if directory is None:
        return {}
    try:
        return from_json(json.loads((directory / FILE_NAME).read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("births_forgotten", file=FILE_NAME, reason=str(error))
        return {}


def save(directory: Path | None, nodes: dict[tuple[str, str], Node]) -> None:
    """A disk that does not take it costs the wait for a birth after the next restart."""
    if directory is None:
        return
    try:
        write_durably(directory / FILE_NAME, json.dumps(to_json(nodes)).encode(), mode=_MODE)
    except OSError as error:
        _log.warning("births_not_saved", reason=str(error))
