"""The log's incarnations: after a cut offsets are given out again, and a position means something only in its own.

A new incarnation is opened when the log may have lost acknowledged records (`gateway/doctor/incarnation.py`): for each
partition it keeps the first offset that was given out anew. A position of an earlier incarnation beyond that offset
counts records that are gone; it is clamped to it, or new records would be skipped silently. Standard library only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from streamforge.progress import Partition, Position

# Where all units read the list (in the directory of the sockets), and where the doctor keeps it (beside the log).
FILE = "incarnations.json"
FIRST = 1
# How the reason begins where the broker took partitions for strays: they begin anew, and what they held is kept aside.
STRAYS = "the broker lost sight of"
# A power cut a day for most of a year. Older positions go back to the start of the log: read again, never skipped.
MOST_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """One, with the first offset that each partition gave out in it. `reason` says why it was opened.

    `is_fresh`: it is another log, every partition began at 0.
    """

    number: int
    opened_at_us: int
    reason: str
    firsts: Mapping[Partition, int] = field(default_factory=dict)
    is_fresh: bool = False

    @property
    def is_kept_aside(self) -> bool:
        """Whether what stood before it lies in another place: what it cost cannot be counted from the log."""
        return self.is_fresh or self.reason.startswith(STRAYS)

    def first(self, place: Partition) -> int | None:
        """Where the partition began to give offsets out anew; None = it lost nothing."""
        return 0 if self.is_fresh else self.firsts.get(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnations:
    """All that are known, oldest first. None: the log is still in its first one."""

    opened: tuple[Incarnation, ...] = ()

    @property
    def current(self) -> int:
        """The number of the one in force."""
        return self.opened[-1].number if self.opened else FIRST

    def opening(
        self, *, opened_at_us: int, reason: str, firsts: Mapping[Partition, int] | None = None
    ) -> "Incarnations":
        """These and a new one; without `firsts` it is another log."""
        fresh = Incarnation(
            number=self.current + 1,
            opened_at_us=opened_at_us,
            reason=reason,
            firsts=dict(firsts or {}),
            is_fresh=firsts is None,
        )
        return Incarnations(opened=(*self.opened, fresh)[-MOST_KEPT:])

    def taken_back(self) -> "Incarnations":
        """The newest one was another log that never served and is gone again: it bounds nothing, its number stays."""
        if not self.opened or not self.opened[-1].is_fresh:
            return self
        return Incarnations(opened=(*self.opened[:-1], replace(self.opened[-1], is_fresh=False)))

    def clamp(self, place: Partition, position: Position) -> Position:
        """The same place in the incarnation in force: not beyond what outlived every one opened since.

        A number that is not known, older than the list or of a list that was lost, goes back to offset 0.
        """
        oldest = self.opened[0].number - 1 if self.opened else FIRST
        if not oldest <= position.incarnation <= self.current:
            return replace(position, next_offset=0, incarnation=self.current)
        firsts = [one.first(place) for one in self.opened if one.number > position.incarnation]
        later = [first for first in firsts if first is not None]
        return replace(position, next_offset=min([position.next_offset, *later]), incarnation=self.current)

    def to_json(self) -> str:
        """One line of JSON, the form in which the list is kept."""
        opened = [
            {
                "number": one.number,
                "opened_at_us": one.opened_at_us,
                "reason": one.reason,
                "is_fresh": one.is_fresh,
                "firsts": [[*place, offset] for place, offset in sorted(one.firsts.items())],
            }
            for one in self.opened
        ]
        return json.dumps({"opened": opened}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str | bytes) -> "Incarnations":
        """The inverse of `to_json`. Raises ValueError where the text is not one."""
        try:
            opened = tuple(
                Incarnation(
                    number=int(one["number"]),
                    opened_at_us=int(one["opened_at_us"]),
                    reason=str(one["reason"]),
                    is_fresh=bool(one["is_fresh"]),
                    firsts={Partition(str(topic), int(number)): int(offset) for topic, number, offset in one["firsts"]},
                )
                for one in json.loads(text)["opened"]
            )
        except (KeyError, TypeError) as error:
            msg = f"not a list of incarnations: {error}"
            raise ValueError(msg) from error
        return Incarnations(opened=opened)
