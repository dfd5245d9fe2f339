"""What happens before retention would take what a reader lacks: loans, and only then a loss that is said."""

import random
from collections.abc import Mapping

import pytest

from streamforge.gateway.overflow.ahead import Budget, Outlook, look_ahead, table_retention
from streamforge.gateway.overflow.log_use import PartitionLog, Segment
from streamforge.gateway.overflow.plan import PRIORITIES, Held
from streamforge.gateway.topics import (
    FIXED_BYTES,
    INDEX_BYTES,
    INDEX_SHARE,
    MAX_PARTITIONS,
    RESERVE_PERCENT,
    TOPICS,
    Priority,
    smallest_budget_bytes,
)
from streamforge.progress import Partition

EVICTABLE = [share for share in TOPICS if share.priority is not Priority.CRITICAL]
BUDGET = Budget(size_bytes=8 * 1024**3)
CLEAN, RAW, HOUR = "telemetry.clean", "telemetry.raw", "telemetry.1hour"


def segment_bytes(topic: str, budget: Budget = BUDGET) -> int:
    return next(one for one in EVICTABLE if one.name == topic).segment_bytes(budget.size_bytes, budget.partitions)


def log(topic: str, segments: int, budget: Budget = BUDGET, number: int = 0) -> PartitionLog:
    """So many closed segments of ten records, and one with nothing in it yet but a record."""
    size = segment_bytes(topic, budget)
    closed = [Segment(first=10 * at, size_bytes=size, written_ns=at) for at in range(segments)]
    newest = Segment(first=10 * segments, size_bytes=1, written_ns=segments)
    return PartitionLog(place=Partition(topic, number), segments=(*closed, newest), size_bytes=size * segments + 1)


def logs(budget: Budget = BUDGET, /, **segments: int) -> list[PartitionLog]:
    """All topics, in every partition as many segments as named (telemetry_raw=3), none where not."""
    return [
        log(share.name, segments.get(share.name.replace(".", "_"), 0), budget, number)
        for share in EVICTABLE
        for number in range(budget.partitions)
    ]


def lacked(*topics: str, partitions: int = 1) -> Held:
    """A sink that has nothing of these."""
    return {Partition(topic, number): {"sink": 0} for topic in topics for number in range(partitions)}


def look(held: Held, **segments: int) -> Outlook:
    return look_ahead(logs(**segments), held, BUDGET, {})


def most_segments(topic: str) -> int:
    """With how many closed segments of which all are lacked a topic gets along with its own share."""
    return (table_retention(BUDGET)[topic] // segment_bytes(topic)) - 3


def moved(outlook: Outlook) -> Mapping[str, int]:
    table = table_retention(BUDGET)
    return {topic: size - table[topic] for topic, size in outlook.retention.items() if size != table[topic]}


def test_what_everybody_has_is_left_to_retention() -> None:
    outlook = look({}, telemetry_raw=100, telemetry_clean=100)
    assert (outlook.cuts, moved(outlook)) == ((), {})


def test_what_a_sink_lacks_stays_within_the_share_of_its_topic_as_long_as_that_lasts() -> None:
    assert moved(look(lacked(CLEAN), telemetry_clean=most_segments(CLEAN))) == {}


def test_then_it_borrows_from_the_least_important() -> None:
    outlook = look(lacked(CLEAN), telemetry_clean=most_segments(CLEAN) + 2)
    step = table_retention(BUDGET)[CLEAN] // 4
    assert moved(outlook) == {CLEAN: step, RAW: -step}
    assert outlook.cuts == ()
    assert moved(look(lacked(CLEAN), telemetry_clean=most_segments(CLEAN) + 4)) == moved(outlook), "seldom"


def test_a_lender_gives_up_what_everybody_has_and_says_so() -> None:
    outlook = look(lacked(CLEAN), telemetry_clean=most_segments(CLEAN) + 5, telemetry_raw=most_segments(RAW) + 4)
    (cut,) = outlook.cuts
    kept = look_ahead(logs(telemetry_raw=most_segments(RAW) + 4), {}, BUDGET, {})
    assert (cut.place.topic, kept.cuts) == (RAW, ())
    assert cut.size_bytes == pytest.approx(-moved(outlook)[RAW], abs=2 * segment_bytes(RAW))


def test_what_another_reader_lacks_is_not_lent() -> None:
    held = {**lacked(CLEAN), Partition(RAW): {"transform-validator": 0}}
    outlook = look(held, telemetry_clean=most_segments(CLEAN) + 2, telemetry_raw=most_segments(RAW))
    assert RAW not in moved(outlook)
    assert outlook.cuts == ()


def test_the_most_important_borrows_first() -> None:
    outlook = look(lacked(CLEAN, HOUR), telemetry_clean=10_000, telemetry_1hour=10_000)
    assert moved(outlook)[HOUR] > 0
    assert CLEAN not in moved(outlook)


def test_when_nobody_has_anything_left_to_lend_the_oldest_goes_before_retention_takes_it() -> None:
    outlook = look(lacked(CLEAN), telemetry_clean=10_000)
    (cut,) = [one for one in outlook.cuts if one.place.topic == CLEAN]
    size = segment_bytes(CLEAN)
    left = 10_000 - cut.end // 10
    assert cut.held == {"sink": 0}
    # Retention deletes where the partition is larger than its bytes and one segment.
    assert outlook.retention[CLEAN] - 3 * size <= left * size <= outlook.retention[CLEAN] - size
    assert outlook.retention[CLEAN] > 2.2 * table_retention(BUDGET)[CLEAN], "most of the log holds what is lacked"


def test_what_is_deleted_already_is_not_counted() -> None:
    starts = {Partition(CLEAN): 10 * 5}
    outlook = look_ahead(logs(telemetry_clean=most_segments(CLEAN) + 5), lacked(CLEAN), BUDGET, starts)
    assert moved(outlook) == {}


def test_a_log_that_is_not_as_the_table_has_it_is_left_alone() -> None:
    full = logs(telemetry_clean=10_000)
    assert look_ahead(full, lacked(CLEAN), Budget(size_bytes=10**6), {}) == Outlook()
    assert look_ahead(full, lacked(CLEAN), Budget(size_bytes=BUDGET.size_bytes, partitions=2), {}) == Outlook()
    assert look_ahead(full[1:], lacked(CLEAN), BUDGET, {}) == Outlook()


@pytest.mark.parametrize("partitions", range(1, MAX_PARTITIONS + 1))
def test_whatever_is_lent_all_that_the_log_can_grow_to_fits_the_budget(partitions: int) -> None:
    """Partitions x (retention + segment + indexes), metadata, Kafka's own topics and the ballast, reserve untouched."""
    draw = random.Random(partitions)
    kept = [share for share in TOPICS if share.priority is Priority.CRITICAL]
    for power in range(12):
        budget = Budget(size_bytes=round(smallest_budget_bytes(partitions) * 1.7**power), partitions=partitions)
        some = {share.name.replace(".", "_"): draw.choice([0, 1, 3, 8, 20, 200]) for share in EVICTABLE}
        held = lacked(*draw.sample([share.name for share in EVICTABLE], 4), partitions=partitions)
        lent = look_ahead(logs(budget, **some), held, budget, {}).retention
        assert sum(lent.values()) == sum(table_retention(budget).values())
        assert set(lent) == set(PRIORITIES) - {share.name for share in kept}
        whole = FIXED_BYTES + sum(share.most_bytes(budget.size_bytes, partitions) for share in kept)
        for share in EVICTABLE:
            closed = int(lent[share.name] * (1 + INDEX_SHARE)) + 1
            whole += partitions * (closed + share.segment_bytes(budget.size_bytes, partitions) + 2 * INDEX_BYTES)
        assert whole <= budget.size_bytes - (budget.size_bytes - FIXED_BYTES) * RESERVE_PERCENT // 100
