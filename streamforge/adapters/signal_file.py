"""What an adapter's signals said last, in its state directory: written when the log has acknowledged them.

Killed between the two, the unit says the last one again under the id that it had.
"""

import json
from pathlib import Path

from streamforge.adapters.signals import Signals, said_of
from streamforge.durable import write_durably
from streamforge.logs import Log

FILE_NAME = "signals.json"
_MODE = 0o640
_log = Log("adapter")


class SignalFile:
    """The file of one adapter instance; `is_forgotten` = it did not say what was said before."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._is_due = False
        self._is_complained = False
        self.is_forgotten = True

    def load(self, adapter_id: str) -> Signals:
        """As they were left; anew where there is no file that can be read, which is said."""
        try:
            signals = Signals(adapter_id, said_of(json.loads(self._path.read_text())))
        except FileNotFoundError:
            return Signals(adapter_id)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _log.warning("signals_forgotten", file=FILE_NAME, reason=str(error))
            return Signals(adapter_id)
        self.is_forgotten = False
        return signals

    def due(self) -> None:
        """Something was acknowledged that the file does not have."""
        self._is_due = True

    def save(self, signals: Signals) -> None:
        """Write it if it is due; a disk that does not take it is asked again."""
        if not self._is_due:
            return
        try:
            write_durably(self._path, json.dumps(signals.to_json()).encode(), mode=_MODE)
        except OSError as error:
            if not self._is_complained:
                _log.warning("signals_not_saved", reason=str(error))
            self._is_complained = True
        else:
            self._is_due = self._is_complained = False
