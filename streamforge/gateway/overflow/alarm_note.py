"""Whether the alarm of a full disk stands, on the disk: it is cleared under the id under which it was raised."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from streamforge.durable import write_durably

FILE = "alarm.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmNote:
    """When the alarm was raised (0 = none stands), and whether the log has it."""

    raised_at_us: int = 0
    is_sent: bool = False

    def save(self, state: Path) -> None:
        """Bring it to the disk; none: remove the file. Raises OSError."""
        if self.raised_at_us:
            write_durably(state / FILE, json.dumps(asdict(self)).encode())
        else:
            (state / FILE).unlink(missing_ok=True)


def load(state: Path) -> AlarmNote:
    """What stands there; none where nothing does, or nothing that can be understood."""
    try:
        return AlarmNote(**json.loads((state / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return AlarmNote()
