"""Alarms that may go when they have filled their reserved share: the oldest, where every one of them is cleared.

What of them every reader has, the controller knows; whether they are cleared only their records say, and the record
that clears an alarm may stand in a later segment. So it is read, in the helper process, from the oldest segment on
until every alarm of it was seen cleared. Anything that cannot be read bars it: nobody knows what it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from streamforge.bus.reader import Fetched, Reader
from streamforge.codec import decode
from streamforge.errors import Rejected
from streamforge.gateway.overflow.plan import Cut
from streamforge.model import Alarm, AlarmState
from streamforge.progress import Partition


@dataclass(slots=True)
class Standing:
    """Where alarms stand by what was read so far: id -> its newest state, and in which segment it came first."""

    ends: Sequence[int]
    states: dict[str, AlarmState] = field(default_factory=dict)
    first_in: dict[str, int] = field(default_factory=dict)
    damaged: int | None = None

    def take(self, offset: int, alarm: Alarm | None) -> None:
        """The next record; None = it cannot be read."""
        at = next((at for at, end in enumerate(self.ends) if offset < end), None)
        if alarm is None:
            known = [one for one in (at, self.damaged) if one is not None]
            self.damaged = min(known, default=None)
            return
        if at is not None:
            self.first_in.setdefault(alarm.alarm_id, at)
        if alarm.alarm_id in self.first_in:
            self.states[alarm.alarm_id] = alarm.state

    @property
    def open_ids(self) -> list[str]:
        """Alarms of these segments that were not seen cleared."""
        return [one for one, state in self.states.items() if state is not AlarmState.CLEARED]

    @property
    def clear_segments(self) -> int:
        """How many of the oldest segments hold nothing but cleared alarms."""
        barred = [self.first_in[one] for one in self.open_ids]
        return min([*barred, len(self.ends) if self.damaged is None else self.damaged])


def thin(reader: Reader, wanted: Iterable[Cut]) -> tuple[list[Cut], str]:
    """Of each partition's candidates those that may go, as one cut; and what bars the rest. Raises StreamForgeError."""
    cuts, barred = [], ""
    for place, group in groupby(wanted, key=lambda cut: cut.place):
        segments = list(group)
        standing = _read(reader, place, [cut.end for cut in segments])
        taken = segments[: standing.clear_segments]
        if taken:
            size = sum(cut.size_bytes for cut in taken)
            cuts.append(Cut(place=place, end=taken[-1].end, size_bytes=size, held=taken[-1].held))
        if len(taken) < len(segments):
            barred = _why(place, standing)
    return cuts, barred


def _read(reader: Reader, place: Partition, ends: Sequence[int]) -> Standing:
    standing = Standing(ends=ends)
    first, end = reader.starts([place])[place], reader.ends([place])[place]
    holes = len(reader.holes)
    for fetched in reader.stretch(place, first, end):
        if fetched.offset >= ends[-1] and not standing.open_ids:
            break
        standing.take(fetched.offset, _alarm(fetched))
    for hole in reader.holes[holes:]:
        standing.take(hole.first, None)
    return standing


def _alarm(fetched: Fetched) -> Alarm | None:
    try:
        record = decode(fetched.value)
    except Rejected:
        return None
    return record if isinstance(record, Alarm) else None


def _why(place: Partition, standing: Standing) -> str:
    if open_ids := standing.open_ids:
        return f"{place.topic}: {len(open_ids)} of the oldest alarms are not cleared, one is {open_ids[0]}"
    return f"{place.topic}: some of the oldest records cannot be read"
