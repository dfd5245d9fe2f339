"""What an eviction is and how it is said: one `buffer_overflow` event each, and the alarm of a full disk. Pure."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamforge.gateway.overflow.plan import Cut
from streamforge.model import Alarm, AlarmState, Event, Severity

SOURCE = "streamforge-overflow"
ALARM = "disk_full"
EVENT = "buffer_overflow"
# In place of a tier's word: a topic has filled its share; its own retention was faster; cleared alarms are thinned out.
SHARE, RETENTION, THINNING = "share", "retention", "thinning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """The records of one partition from `first` up to, not including, `end`; times as the log has them, 0 = unknown.

    `undelivered`: reader -> how many of them it had not dealt with. `tier`: the tier's word, or what else made it
    necessary; of what retention took without asking, `size_bytes` is not known (0).
    """

    topic: str
    number: int
    first: int
    end: int
    size_bytes: int
    oldest_us: int
    newest_us: int
    incarnation: int
    decided_us: int
    tier: str
    undelivered: Mapping[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many; the offsets of our topics have no holes."""
        return self.end - self.first

    @property
    def lost(self) -> int:
        """How many of them somebody still needed: by the reader that is furthest behind."""
        return max(self.undelivered.values(), default=0)


def undelivered(cut: Cut, first: int) -> dict[str, int]:
    """Reader -> how many records of the cut, which begins at `first`, it still needs; only those that need any."""
    counts = {reader: cut.end - max(first, needed) for reader, needed in cut.held.items()}
    return {reader: count for reader, count in sorted(counts.items()) if count > 0}


def event(evicted: Eviction) -> Event:
    """The event of one eviction; the same eviction always gives the same one."""
    host = os.uname().nodename
    return Event(
        event_id=f"{EVENT}/{host}/{evicted.incarnation}/{evicted.topic}/{evicted.number}/{evicted.end}",
        asset_id=host,
        type=EVENT,
        severity=Severity.HIGH if evicted.lost else Severity.LOW,
        time_us=evicted.decided_us,
        message=_message(evicted),
        source=SOURCE,
        details=_details(evicted),
    )


_FULL = "gave way: the disk is filling up"
_CAUSES = {
    SHARE: "gave way: the topic has filled its share of the disk",
    RETENTION: "are gone: the topic's own retention took them before this could be said",
    THINNING: "gave way: alarms have filled their share of the disk, and all of these are cleared",
}


def _message(evicted: Eviction) -> str:
    what = f"{evicted.records} of the oldest records of {evicted.topic} {_CAUSES.get(evicted.tier, _FULL)}."
    if not evicted.lost:
        return f"{what} Everybody had them."
    behind = ", ".join(f"{reader} lacks {count}" for reader, count in evicted.undelivered.items())
    return f"{what} Not everybody had them: {behind}."


def _details(evicted: Eviction) -> dict[str, str]:
    return {
        "topic": evicted.topic,
        "partition": str(evicted.number),
        "records": str(evicted.records),
        "bytes": str(evicted.size_bytes),
        "oldest_offset": str(evicted.first),
        "newest_offset": str(evicted.end - 1),
        "oldest_time_us": str(evicted.oldest_us),
        "newest_time_us": str(evicted.newest_us),
        "incarnation": str(evicted.incarnation),
        "tier": evicted.tier,
        "undelivered": str(evicted.lost),
        "undelivered_to": ", ".join(f"{reader}={count}" for reader, count in evicted.undelivered.items()),
    }


def alarm(*, raised_at_us: int, cleared_at_us: int = 0, used_percent: float, threshold: float) -> Alarm:
    """The alarm of a full disk, raised or cleared; one id from its raising to its clearing."""
    host = os.uname().nodename
    is_cleared = cleared_at_us > 0
    return Alarm(
        alarm_id=f"{ALARM}/{host}/{raised_at_us}",
        asset_id=host,
        type=ALARM,
        severity=Severity.CRITICAL,
        state=AlarmState.CLEARED if is_cleared else AlarmState.UNACKNOWLEDGED,
        raised_at_us=raised_at_us,
        cleared_at_us=cleared_at_us,
        message="The disk has room again; readings go to the log."
        if is_cleared
        else "The disk is full: readings wait in the adapters, and the oldest of them are lost when those are full.",
        value=used_percent,
        threshold=threshold,
        unit="%",
    )


def from_json(value: Mapping[str, Any]) -> Eviction:
    """The inverse of `dataclasses.asdict`. Raises TypeError where it is not one."""
    return Eviction(**value)
