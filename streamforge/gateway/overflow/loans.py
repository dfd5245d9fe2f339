"""Which retention the topics have at the broker, as far as this unit knows: loans that stand, kept on the disk."""

import json
from collections.abc import Mapping
from pathlib import Path

from streamforge.durable import write_durably
from streamforge.logs import Log

FILE = "loans.json"
_log = Log("overflow")


class Loans:
    """The note is there while anything may be lent, from before the broker is told; in a new life, and after a run that
    failed, what it says is set once more.
    """

    def __init__(self, state: Path) -> None:
        self._file = state / FILE
        self._held = _load(self._file)
        self._table: Mapping[str, int] = {}
        self._is_sure = not self._held

    def change(self, wanted: Mapping[str, int], table: Mapping[str, int]) -> Mapping[str, int]:
        """What the broker must be told so that topics have the retention that is wanted; empty = nothing."""
        self._table = table
        return {} if self._is_sure and wanted == (self._held or table) else wanted

    def begin(self, retention: Mapping[str, int]) -> None:
        """The broker is about to be told. Raises OSError where that cannot be noted: then it must not be."""
        write_durably(self._file, json.dumps(dict(retention)).encode())
        self._held, self._is_sure = dict(retention), False

    def end(self) -> None:
        """It was told. Raises OSError."""
        _log.info("retention_moved", retention=self._held)
        self._is_sure = True
        if self._held == self._table:
            self._held = {}
            self._file.unlink(missing_ok=True)


def _load(path: Path) -> dict[str, int]:
    try:
        return {str(topic): int(size) for topic, size in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
