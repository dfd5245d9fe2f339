"""The judge of a whole chain at rest: topics and targets against what stood on the log before the fault.

It uses neither ledger nor progress of the product. The letters are those of the invariants: I1 what the log has, every
target has; I2 what is lost is within what was reported; I4 each reading once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamforge.bus.connection import Connection
from streamforge.model import Event
from tests.chain import checker
from tests.chain.checker import BatchKey, Found

Readings = Counter[tuple[str, int, int, int]]
"""How often each reading (adapter, epoch, seq, index) stands in a target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What topics and targets hold when nothing moves any more."""

    raw: Found
    clean: Found
    letters: Counter[tuple[str, int, int, str]]
    windows: Mapping[str, Counter[tuple[str, int, int]]]
    targets: Mapping[str, Readings]


@dataclass(slots=True, kw_only=True)
class Judgement:
    """Counts of readings. `gone`: by batch, what the log has no more; `skipped`: a target lacks what it has."""

    gone: Counter[BatchKey] = field(default_factory=Counter)
    unfounded: int = 0
    skipped: int = 0
    doubled: int = 0
    breaches: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Readings that the log had, or that the adapter was told it has."""
        return self.gone.total() + self.unfounded


def hold(connection: Connection, targets: Mapping[str, Readings]) -> Held:
    """Read the topics."""
    return Held(
        raw=checker.in_topic(connection, "telemetry.raw"),
        clean=checker.in_topic(connection, "telemetry.clean"),
        letters=checker.dead_letters(connection),
        windows={topic: checker.windows(connection, topic) for topic in ("telemetry.1s", "telemetry.10s")},
        targets=targets,
    )


def judge(held: Held, before: Mapping[BatchKey, int], claimed: Mapping[int, int] | None = None) -> Judgement:
    """`before`: readings of each batch that stood on telemetry.raw.

    `claimed`: by epoch how many readings the adapter was told are on the log. A rejected reading whose dead letter is
    gone is lost, too.
    """
    found = Judgement()
    _topics(held, found)
    for name, target in held.targets.items():
        _target(held, name, target, found)
    found.gone += Counter({key: readings for key, readings in before.items() if key not in held.raw.times})
    found.unfounded = sum(max(0, count - _stand(held.raw, epoch)) for epoch, count in (claimed or {}).items())
    return found


def unreported(found: Judgement, reported: int) -> list[str]:
    """I2, in words: what was lost beyond what the gateway said."""
    too_many = found.lost > reported
    return [f"I2: {found.lost} readings are lost, {reported} reported at most"] if too_many else []


def _stand(raw: Found, epoch: int) -> int:
    return sum(readings for key, readings in raw.readings.items() if key[1] == epoch)


def _topics(held: Held, found: Judgement) -> None:
    doubles: dict[str, Mapping[Any, int]] = {
        "telemetry.raw": held.raw.times,
        "telemetry.clean": held.clean.times,
        "dlq.telemetry": held.letters,
        **held.windows,
    }
    for topic, times in doubles.items():
        count = _twice(times.values())
        found.doubled += count
        _expect(found, f"I4: {topic} holds records more than once", count)
    _expect(
        found, "I1: batches of telemetry.raw are not in telemetry.clean", len(held.raw.times.keys() - held.clean.times)
    )
    _expect(found, "I1: batches of telemetry.raw have a hole before them", len(held.raw.holes()))
    same = [
        key for key in held.raw.times if held.clean.readings.get(key, held.raw.readings[key]) == held.raw.readings[key]
    ]
    _expect(found, "I1: clean batches count other readings than raw ones", len(held.raw.times) - len(same))
    letters = Counter(key[:3] for key in held.letters)
    found.gone += Counter({key: max(0, count - letters[key]) for key, count in held.clean.rejected.items()})
    extra = sum(max(0, letters[key] - count) for key, count in held.clean.rejected.items())
    _expect(found, "I1: readings stand in telemetry.clean and in the dead letters", extra)


def _target(held: Held, name: str, target: Readings, found: Judgement) -> None:
    doubled = _twice(target.values())
    found.doubled += doubled
    _expect(found, f"I4: {name} holds readings more than once", doubled)
    has = Counter(key[:3] for key in target)
    wanted = {key: held.clean.readings[key] - held.clean.rejected[key] for key in held.clean.times}
    skipped = sum(max(0, count - has[key]) for key, count in wanted.items())
    found.skipped += skipped
    _expect(found, f"I1: {name} does not have readings that the log has", skipped)
    _expect(
        found, f"I4: {name} has readings of a batch that it never had", sum(has[key] > n for key, n in wanted.items())
    )


def _twice(times: Iterable[int]) -> int:
    return sum(count - 1 for count in times)


def _expect(found: Judgement, what: str, wrong: int) -> None:
    if wrong:
        found.breaches.append(f"{what} ({wrong})")


def reported(connection: Connection) -> dict[int, int]:
    """Readings that may be lost at most, as the gateway said in `data_loss` events, by incarnation of the log."""
    return {
        int(record.details["incarnation"]): int(record.details["readings_at_most"])
        for record in checker.records(connection, "events.clean")
        if isinstance(record, Event) and record.type == "data_loss"
    }
