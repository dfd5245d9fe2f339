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
    """Make these cuts, and let the alarm of a full disk stand or not."""

    cuts: tuple[Cut, ...] = ()
    tier: str = ""
    is_alarm_wanted: bool = False
    used_percent: float = 0.0

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Order":
        """The inverse. Raises ValueError, TypeError or KeyError where the text is not one."""
        value = json.loads(text)
        value["cuts"] = tuple(Cut(**{**cut, "place": Partition(*cut["place"])}) for cut in value["cuts"])
        return Order(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it: what was evicted, and where those partitions begin now; `error`: why not all, "" = all."""

    evicted: tuple[Eviction, ...] = ()
    starts: Mapping[Partition, int] = field(default_factory=dict)
    error: str = ""

    def to_json(self) -> str:
        """One line of JSON."""
        starts = [[*place, offset] for place, offset in self.starts.items()]
        return json.dumps({"evicted": [asdict(one) for one in self.evicted], "starts": starts, "error": self.error})

    @staticmethod
    def from_json(text: str) -> "Done":
        """The inverse. Raises ValueError, TypeError or KeyError where the text is not one."""
        value = json.loads(text)
        return Done(
            evicted=tuple(from_json(one) for one in value["evicted"]),
            starts={Partition(topic, number): offset for topic, number, offset in value["starts"]},
            error=value["error"],
        )
