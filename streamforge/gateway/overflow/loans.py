"""Which retention the topics have at the broker, as far as this unit knows: loans that stand, kept on the disk."""

import json
from collections.abc import Mapping
from pathlib import Path

from streamforge.gateway.durable import write_durably
from streamforge.logs import Log

FILE = "loans.json"
_log = Log("overflow")


class Loans:
    """Remembers what was last set. Until something was set in this life, loans are set once more: `streamforge topics`
    may have called them in, for another budget.
    """

    def __init__(self, state: Path) -> None:
        self._file = state / FILE
        self._held = _load(self._file)
        self._is_sure = False

    def change(self, wanted: Mapping[str, int], table: Mapping[str, int]) -> Mapping[str, int]:
        """What the broker must be told so that topics have the retention that is wanted; empty = nothing."""
        is_known = wanted == (self._held or table) and (self._is_sure or wanted == table)
        return {} if is_known or not wanted else wanted

    def note(self, retention: Mapping[str, int]) -> None:
        """The broker has it so. Raises OSError where that cannot be saved."""
        _log.info("retention_moved", retention=dict(retention))
        self._held, self._is_sure = dict(retention), True
        write_durably(self._file, json.dumps(self._held).encode())


def _load(path: Path) -> dict[str, int]:
    try:
        return {str(topic): int(size) for topic, size in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
