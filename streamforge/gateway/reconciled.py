"""What `streamforge-reconcile` did so far: kept in its state directory, and shown in the run directory.

Standard library only: `streamforge status` and the page read it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from streamforge.durable import write_durably
from streamforge.incarnations import FIRST

STATE_FILE = "reconciled.json"
# In the directory of the sockets.
REPORT_FILE = "reconciled.json"
MOST_KEPT = 32
_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One incarnation that was accounted for. `at_least` and `at_most` readings are lost; None: nobody can count them.

    `opened_at_us`: microseconds since 1970 UTC.
    """

    incarnation: int
    opened_at_us: int
    message: str
    at_least: int | None = None
    at_most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """One epoch whose loss is only bounded while its adapter lives on: its next record will tell the exact count.

    `end`: up to which of its readings it stands before the offset `first` of the cut.
    """

    incarnation: int
    adapter_id: str
    epoch: int
    end: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """`incarnation`: the newest that was accounted for; `said` and `open`: oldest first."""

    incarnation: int = FIRST
    said: tuple[Said, ...] = ()
    open: tuple[Open, ...] = ()

    def saying(self, said: Iterable[Said], open_ones: Iterable[Open], incarnation: int) -> "Reconciled":
        """These and what was just said."""
        return Reconciled(
            incarnation=incarnation, said=(*self.said, *said)[-MOST_KEPT:], open=(*self.open, *open_ones)[-MOST_KEPT:]
        )

    def settled(self, one: Open) -> "Reconciled":
        """Without an epoch whose count is known now, or never will be."""
        return replace(self, open=tuple(other for other in self.open if other != one))


def load(directory: Path, name: str = STATE_FILE) -> Reconciled:
    """What stands there; as of a log that was never cut where there is none, or it is damaged."""
    try:
        return _decoded(json.loads((directory / name).read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        return Reconciled()


def save(directory: Path, found: Reconciled) -> None:
    """Bring it to the disk. Raises OSError."""
    write_durably(directory / STATE_FILE, json.dumps(asdict(found)).encode())


def show(run: Path, found: Reconciled) -> None:
    """Let `streamforge status` and the page read it. Raises OSError."""
    write_durably(run / REPORT_FILE, json.dumps(asdict(found)).encode(), mode=_MODE)


def _decoded(raw: Any) -> Reconciled:
    return Reconciled(
        incarnation=int(raw["incarnation"]),
        said=tuple(Said(**one) for one in raw.get("said", ())),
        open=tuple(Open(**one) for one in raw.get("open", ())),
    )
