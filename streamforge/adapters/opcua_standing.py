"""The alarms that stand at a server, in the unit's state directory: what ends while the unit is away is said later.

Written when the log has them. A unit that is killed before says the last one again under the id that it had.
"""

import json
from dataclasses import asdict
from pathlib import Path

from streamforge.durable import write_durably
from streamforge.logs import Log
from streamforge.model import Alarm, AlarmState, Severity

FILE_NAME = "conditions.json"
_MODE = 0o640
_log = Log("adapter")


class StandingFile:
    """The file of one adapter instance."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._is_due = self._is_complained = False
        self._on_log: dict[str, Alarm] = {}

    def load(self) -> dict[str, Alarm]:
        """The alarms by id; none where there is no file that can be read, which is said."""
        try:
            found = [_alarm(raw) for raw in json.loads(self._path.read_text())]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("conditions_forgotten", file=FILE_NAME, reason=str(error))
            return {}
        self._on_log = {alarm.alarm_id: alarm for alarm in found}
        return dict(self._on_log)

    def done(self, alarm: Alarm) -> None:
        """The log has this: what is still on its way is not in the file, or a unit that is killed would not say it."""
        self._is_due = True
        if alarm.state is AlarmState.CLEARED:
            self._on_log.pop(alarm.alarm_id, None)
        else:
            self._on_log[alarm.alarm_id] = alarm

    def save(self) -> None:
        """Write it if it is due; a disk that does not take it is asked again."""
        if not self._is_due:
            return
        content = json.dumps([asdict(alarm) for alarm in self._on_log.values()]).encode()
        try:
            write_durably(self._path, content, mode=_MODE)
        except OSError as error:
            if not self._is_complained:
                _log.warning("conditions_not_saved", reason=str(error))
            self._is_complained = True
        else:
            self._is_due = self._is_complained = False


def _alarm(raw: dict[str, object]) -> Alarm:
    severity, state = Severity(str(raw["severity"])), AlarmState(str(raw["state"]))
    told = {name: value for name, value in raw.items() if value == value}  # noqa: PLR0124 - one NaN is not the other
    return Alarm(**{**told, "severity": severity, "state": state})  # type: ignore[arg-type] # its own fields
