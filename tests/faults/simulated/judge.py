"""The judge: what the plant emitted and was told, against what really stands on the log and at the targets.

It knows no component and no ledger. It sees also what no client can see any more: what an eviction or a cut took.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streamforge.codec import decode
from streamforge.model import AggregateBatch, Event, ReadingBatch, Topic
from streamforge.progress import Partition
from tests.faults.simulated.log import Entry, Stand
from tests.faults.simulated.targets import Row
from tests.faults.simulated.world import World

RAW, CLEAN = Partition(Topic.TELEMETRY_RAW.value), Partition(Topic.TELEMETRY_CLEAN.value)
LETTERS, EVENTS = Partition(Topic.DLQ_TELEMETRY.value), Partition(Topic.EVENTS_CLEAN.value)
WINDOWS = tuple(Partition(topic.value) for topic in (Topic.TELEMETRY_1S, Topic.TELEMETRY_10S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a schedule did to the readings that were acknowledged; all counts are readings."""

    acknowledged: int
    lost: int
    evicted: int
    letters_torn: int
    doubled: int
    cuts: int
    reported_at_most: int
    breaches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The numbers of the readings of one partition: those that stand, that were evicted, that a cut took."""

    standing: frozenset[int]
    evicted: frozenset[int]
    torn: frozenset[int]
    doubled: frozenset[int]

    @property
    def stood(self) -> frozenset[int]:
        """What no cut took."""
        return self.standing | self.evicted


def whereabouts(stand: Stand) -> Whereabouts:
    """Decode a partition, and what is gone from it."""
    evicted, standing = _numbers(stand.evicted), _numbers(stand.entries)
    torn = _numbers(entry for _, entry in stand.torn)
    times = Counter([*evicted, *standing])
    doubled = frozenset(number for number, count in times.items() if count > 1)
    return Whereabouts(frozenset(standing), frozenset(evicted), frozenset(torn), doubled)


def _numbers(entries: Iterable[Entry]) -> list[int]:
    batches = (decode(entry.value) for entry in entries)
    return [int(value) for batch in batches if isinstance(batch, ReadingBatch) for value in batch.values]


@dataclass(slots=True)
class _Search:
    """Looks for acknowledged readings that are not where they belong."""

    raw: Whereabouts
    lost: set[int] = field(default_factory=set)
    evicted: set[int] = field(default_factory=set)
    breaches: list[str] = field(default_factory=list)

    def at(self, where: str, wanted: Iterable[int], arrived: Container[int], before: Whereabouts) -> None:
        """Each wanted reading has arrived, or an eviction or a cut took it; `before` is the topic it comes from."""
        for number in wanted:
            if number not in arrived:
                self._missing(number, where, before)

    def _missing(self, number: int, where: str, before: Whereabouts) -> None:
        if number in before.standing:
            self.breaches.append(f"I1: reading {number} stands before {where}, which never got it")
        elif number in before.evicted or number in self.raw.evicted:
            self.evicted.add(number)
        elif number in self.raw.standing:
            self.breaches.append(f"I1: reading {number} stands on raw and went no further, to {where}")
        elif number in self.raw.torn:
            self.lost.add(number)
        else:
            self.breaches.append(f"I1: reading {number} was acknowledged and never stood on the log")


def judge(world: World) -> Verdict:
    """Judge a world that is at rest."""
    stands = world.broker.log.stands
    raw, clean, letters = (whereabouts(stands[place]) for place in (RAW, CLEAN, LETTERS))
    acknowledged, bad = world.plant.acknowledged, world.plant.bad
    exact = world.targets["sink-exact"].rows
    search = _Search(raw)
    for name, target in world.targets.items():
        search.at(name, sorted(acknowledged - bad), {row.number for row in target.rows}, clean)
    torn_letters = letters.torn - letters.stood
    search.at("the dead letters", sorted((acknowledged & bad) - torn_letters), letters.stood, letters)
    breaches = search.breaches
    doubled = _doubled(exact, {"raw": raw, "clean": clean, "dead letters": letters}, breaches)
    breaches += _disorder(exact)
    reported = _reported(stands[EVENTS], world.broker.log.cuts, breaches)
    if len(search.lost) > reported:
        breaches.append(f"I2: {len(search.lost)} readings are lost, {reported} reported at most")
    for place in WINDOWS:
        breaches += _windows(world, stands[place], place.topic)
    return Verdict(
        acknowledged=len(acknowledged),
        lost=len(search.lost),
        evicted=len(search.evicted - search.lost),
        letters_torn=len(acknowledged & bad & torn_letters),
        doubled=doubled,
        cuts=world.broker.log.cuts,
        reported_at_most=reported,
        breaches=tuple(breaches),
    )


def _doubled(exact: Sequence[Row], topics: Mapping[str, Whereabouts], breaches: list[str]) -> int:
    found = {name: topic.doubled for name, topic in topics.items()}
    found["the exact sink"] = frozenset(row.number for row, count in Counter(exact).items() if count > 1)
    breaches += [f"I4: {len(numbers)} readings stand twice in {where}" for where, numbers in found.items() if numbers]
    return sum(map(len, found.values()))


def _disorder(rows: Sequence[Row]) -> list[str]:
    by_asset: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_asset[row.asset_id].append(row.number)
    wrong = [asset for asset, numbers in by_asset.items() if numbers != sorted(numbers)]
    return [f"I4: readings of {', '.join(wrong)} are out of order at the exact sink"] if wrong else []


def _reported(stand: Stand, cuts: int, breaches: list[str]) -> int:
    """Readings lost at most, over all events; an event that was written twice is one.

    It may say another thing the second time: that its cost is counted with the next cut, where that came first.
    """
    reported: dict[str, int] = {}
    for entry in [*stand.evicted, *stand.entries]:
        one = decode(entry.value)
        if isinstance(one, Event) and one.type == "data_loss":
            at_most = int(one.details.get("readings_at_most", "0"))
            reported[one.event_id] = max(at_most, reported.get(one.event_id, 0))
    if len(reported) != cuts:
        breaches.append(f"I2: {cuts} cuts, {len(reported)} of them reported")
    return sum(reported.values())


def _windows(world: World, stand: Stand, topic: str) -> list[str]:
    """Each (asset, start, revision) stands once, but where the wall clock lived through the window again.

    A window whose record was evicted while the window is still kept may be told again: then it is the one that stands.
    """
    batches = [decode(entry.value) for entry in stand.entries]
    times = Counter(
        (one.asset_id, one.window_start_us, one.window_end_us, one.revision)
        for one in batches
        if isinstance(one, AggregateBatch)
    )
    twice = [key for key, count in times.items() if count > 1 and world.clock.times_lived(key[1], key[2]) < 2]
    return [f"windows: {len(twice)} stand twice in {topic}, the first {twice[0]}"] if twice else []
