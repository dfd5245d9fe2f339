"""What the controller asks of its helper process, and what it answers: one JSON object each way."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from streamforge.gateway.overflow.eviction import Eviction, from_json
from streamforge.gateway.overflow.plan import Cut
from streamforge.progress import Partition

PENDING = "evictions.json"
"""Evictions that were decided and perhaps not made, in the state directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Make these cuts for this reason (a tier's word, or `eviction.SHARE`), then let topics have this retention; and
    let the alarm of a full disk stand or not (`is_alarm_due`: it is not so yet). `thin`: segments of alarms, one cut
    each, that may go if everything in them is cleared.
    """

    cuts: tuple[Cut, ...] = ()
    tier: str = ""
    retention: Mapping[str, int] = field(default_factory=dict)
    thin: tuple[Cut, ...] = ()
    is_alarm_wanted: bool = False
    is_alarm_due: bool = False
    used_percent: float = 0.0

    @property
    def is_to_delete(self) -> bool:
        """Whether it depends on where the readers stand now."""
        return bool(self.cuts or self.retention or self.thin)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.is_to_delete and not self.is_alarm_due

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Order":
        """The inverse. Raises ValueError, TypeError or KeyError where the text is not one."""
        value = json.loads(text)
        for key in ("cuts", "thin"):
            value[key] = tuple(Cut(**{**cut, "place": Partition(*cut["place"])}) for cut in value[key])
        return Order(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it: what was evicted, where those partitions begin now, and why alarms were not thinned out ("" =
    they were, or it was not asked for); `error`: why not all, "" = all.
    """

    evicted: tuple[Eviction, ...] = ()
    starts: Mapping[Partition, int] = field(default_factory=dict)
    barred: str = ""
    error: str = ""

    def to_json(self) -> str:
        """One line of JSON."""
        starts = [[*place, offset] for place, offset in self.starts.items()]
        evicted = [asdict(one) for one in self.evicted]
        return json.dumps({"evicted": evicted, "starts": starts, "barred": self.barred, "error": self.error})

    @staticmethod
    def from_json(text: str) -> "Done":
        """The inverse. Raises ValueError, TypeError or KeyError where the text is not one."""
        value = json.loads(text)
        return Done(
            evicted=tuple(from_json(one) for one in value["evicted"]),
            starts={Partition(topic, number): offset for topic, number, offset in value["starts"]},
            barred=value["barred"],
            error=value["error"],
        )
