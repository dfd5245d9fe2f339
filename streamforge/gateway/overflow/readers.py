"""Who still needs what: the positions of sinks and transforms, as they say them themselves on their sockets.

What a unit said last counts while it does not answer: it may be stopped for a month, and has still to deliver. One that
has never said anything needs everything that its user may read.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamforge.durable import write_durably
from streamforge.errors import ConfigError
from streamforge.gateway.instances import Role, instances
from streamforge.gateway.overflow.plan import Held
from streamforge.gateway.principals import PRINCIPALS
from streamforge.health import ask
from streamforge.incarnations import Incarnations
from streamforge.progress import Partition, Position, Progress

FILE = "readers.json"
ASK_SECONDS = 0.5
# After a boot the first reader answers when it has found its place on the log, and the others soon after.
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderView:
    """One sink or transform: its topics, and where it stands in their partitions. A missing one: at the beginning."""

    topics: tuple[str, ...]
    positions: Mapping[Partition, Position] = field(default_factory=dict)

    def needs(self, place: Partition, incarnations: Incarnations) -> int | None:
        """The oldest offset of a partition that it still needs; None = it does not read it."""
        if place.topic not in self.topics:
            return None
        held = self.positions.get(place)
        return incarnations.clamp(place, held).next_offset if held is not None else 0


class Readers:
    """All that the configuration calls for or that answer; remembered in `state` when one falls silent."""

    def __init__(self, configuration: Path, runtime: Path, state: Path) -> None:
        self._configuration = configuration
        self._runtime = runtime
        self._file = state / FILE
        self._known = _load(self._file)
        self._answering: set[str] = set()
        self._heard: set[str] = set()
        self._first_heard_at = float("inf")

    def ask(self) -> None:
        """Ask every one. Raises OSError where what a silent one said cannot be saved."""
        wanted = self._wanted()
        answers = {unit: view for unit in sorted(wanted) if (view := self._answer(unit)) is not None}
        has_lost = self._answering - answers.keys()
        self._known = {
            unit: answers.get(unit) or self._known.get(unit) or ReaderView(topics=_readable(unit)) for unit in wanted
        }
        self._answering = set(answers)
        self._heard |= answers.keys()
        if answers:
            self._first_heard_at = min(self._first_heard_at, time.monotonic())
        if has_lost:
            self.save()

    @property
    def are_heard(self) -> bool:
        """Whether all have said in this life where they stand, or have had time to. Before, what they said last may be
        a week old, and would make all of a full log look as if they lacked it.
        """
        has_had_time = time.monotonic() - self._first_heard_at >= PATIENCE_SECONDS
        return has_had_time or self._known.keys() <= self._heard

    def save(self) -> None:
        """Bring what is known to the disk. Raises OSError."""
        write_durably(self._file, json.dumps({unit: _to_json(view) for unit, view in self._known.items()}).encode())

    def held(self, places: Iterable[Partition], incarnations: Incarnations) -> Held:
        """By partition and reader, the oldest offset that is still needed."""
        return {
            place: {
                unit.removeprefix("streamforge-"): needed
                for unit, view in self._known.items()
                if (needed := view.needs(place, incarnations)) is not None
            }
            for place in places
        }

    def _wanted(self) -> set[str]:
        found = {
            path.stem
            for role in (Role.SINK, Role.TRANSFORM)
            for path in self._runtime.glob(f"streamforge-{role}-*.sock")
        }
        try:
            return found | {one.unit for one in instances(self._configuration) if one.role is not Role.ADAPTER}
        except (ConfigError, OSError):  # being exchanged just now
            return found | self._known.keys()

    def _answer(self, unit: str) -> ReaderView | None:
        """What it says; None where it says nothing, or has not found its place yet."""
        path = self._runtime / f"{unit}.sock"
        try:
            details = json.loads(ask(path, timeout_seconds=ASK_SECONDS))["details"]
            return _of_stages(details["stages"]) if "stages" in details else _of_sink(details)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _of_sink(details: Mapping[str, Any]) -> ReaderView | None:
    if not details["progress"]:
        return None
    return ReaderView(topics=tuple(details["topics"]), positions=Progress.from_json(details["progress"]).positions)


def _of_stages(stages: Iterable[Mapping[str, Any]]) -> ReaderView | None:
    """Of several stages on one partition the one that needs most counts."""
    positions: dict[Partition, Position] = {}
    for stage in stages:
        place = Partition(stage["input"], stage["partition"])
        at = Position(next_offset=stage["hold_offset"], incarnation=stage["incarnation"])
        before = positions.get(place, at)
        positions[place] = min(before, at, key=lambda position: position.next_offset)
    return ReaderView(topics=tuple({place.topic for place in positions}), positions=positions) if positions else None


def _readable(unit: str) -> tuple[str, ...]:
    """Every topic that the unit's user may read for its work."""
    name = unit.removeprefix("streamforge-").partition("@")[0]
    return tuple(topic.value for one in PRINCIPALS if one.name == name for topic in one.reads)


def _to_json(view: ReaderView) -> dict[str, object]:
    return {"topics": view.topics, "positions": Progress(positions=view.positions).to_json()}


def _load(path: Path) -> dict[str, ReaderView]:
    """What was saved; nothing where the file is not there or damaged: then all is taken for needed."""
    try:
        return {
            unit: ReaderView(topics=tuple(one["topics"]), positions=Progress.from_json(one["positions"]).positions)
            for unit, one in json.loads(path.read_text()).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
