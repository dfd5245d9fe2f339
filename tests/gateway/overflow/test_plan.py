"""What goes first: from partitions, positions and priorities to cuts."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from streamforge.gateway.overflow.log_use import PartitionLog, Segment
from streamforge.gateway.overflow.plan import ORDER, PRIORITIES, Cut, history_bytes, merged, plan
from streamforge.gateway.topics import Priority
from streamforge.progress import Partition

SIZE = 100
OF_PRIORITY = {Priority.LOW: "telemetry.raw", Priority.MEDIUM: "telemetry.clean", Priority.HIGH: "telemetry.1min"}


def log(topic: str, count: int = 4, *, number: int = 0, since: int = 0, is_empty: bool = False) -> PartitionLog:
    """Segments of ten records and SIZE bytes each, written one after the other from `since` on."""
    segments = tuple(
        Segment(first=10 * at, size_bytes=SIZE, written_ns=since + at, is_empty=is_empty and at == count - 1)
        for at in range(count)
    )
    return PartitionLog(place=Partition(topic, number), segments=segments, size_bytes=SIZE * count)


def ends(cuts: tuple[Cut, ...]) -> dict[str, int]:
    return {f"{cut.place.topic}/{cut.place.number}": cut.end for cut in cuts}


def needed(**by_topic: int) -> Mapping[Partition, Mapping[str, int]]:
    return {Partition(topic.replace("_", ".")): {"sink": offset} for topic, offset in by_topic.items()}


RAW, CLEAN, MINUTES = (log(OF_PRIORITY[priority]) for priority in ORDER)
ALL = (MINUTES, RAW, CLEAN)


def test_nothing_goes_where_nothing_must() -> None:
    assert plan(ALL, {}) == ()


@pytest.mark.parametrize(
    ("free_bytes", "expected"),
    [
        (1, {"telemetry.raw/0": 10}),
        (300, {"telemetry.raw/0": 30}),
        (400, {"telemetry.raw/0": 30, "telemetry.clean/0": 10}),
        (700, {"telemetry.raw/0": 30, "telemetry.clean/0": 30, "telemetry.1min/0": 10}),
    ],
)
def test_low_goes_before_medium_before_high(free_bytes: int, expected: dict[str, int]) -> None:
    assert ends(plan(ALL, {}, free_bytes=free_bytes)) == expected


def test_the_segment_that_is_written_to_always_stays() -> None:
    cuts = plan(ALL, {}, free_bytes=10**9)
    assert {cut.end for cut in cuts} == {30}


def test_the_newest_record_stays_where_a_segment_has_just_begun() -> None:
    assert ends(plan([log("telemetry.raw", is_empty=True)], {}, free_bytes=10**9)) == {"telemetry.raw/0": 20}
    assert plan([log("telemetry.raw", 2, is_empty=True)], {}, free_bytes=10**9) == ()


@pytest.mark.parametrize("topic", [*(t for t, p in PRIORITIES.items() if p is Priority.CRITICAL), "__cluster_metadata"])
def test_critical_topics_and_kafkas_own_are_never_touched(topic: str) -> None:
    assert plan([log(topic)], {}, free_bytes=10**9, aged={Partition(topic): 30}) == ()


def test_the_priorities_are_those_of_the_architecture() -> None:
    by_priority = {priority: {topic for topic, held in PRIORITIES.items() if held is priority} for priority in Priority}
    assert by_priority == {
        Priority.LOW: {"telemetry.raw"},
        Priority.MEDIUM: {"telemetry.clean", "telemetry.1s", "telemetry.10s"},
        Priority.HIGH: {"telemetry.1min", "telemetry.1hour", "events.raw", "events.clean"},
        Priority.CRITICAL: {"alarms.raw", "alarms.clean", "dlq.telemetry", "dlq.events", "audit_trail"},
    }


def test_of_one_priority_the_oldest_goes_first() -> None:
    older, newer = log("telemetry.10s", since=0), log("telemetry.clean", since=2)
    assert ends(plan([newer, older], {}, free_bytes=200)) == {"telemetry.10s/0": 20}
    assert ends(plan([newer, older], {}, free_bytes=400)) == {"telemetry.10s/0": 30, "telemetry.clean/0": 10}


def test_each_partition_gives_from_its_own_beginning() -> None:
    logs = [log("telemetry.raw", number=number) for number in range(3)]
    assert ends(plan(logs, {}, free_bytes=400)) == {
        "telemetry.raw/0": 20,
        "telemetry.raw/1": 10,
        "telemetry.raw/2": 10,
    }


def test_what_a_sink_lacks_stays_while_anything_else_can_go() -> None:
    held = needed(telemetry_clean=15)
    assert ends(plan(ALL, held, free_bytes=700)) == {
        "telemetry.raw/0": 30,
        "telemetry.clean/0": 10,
        "telemetry.1min/0": 30,
    }


def test_what_a_transform_has_not_read_stays_too() -> None:
    held = {RAW.place: {"transform-validator": 0}, CLEAN.place: {"sink-file@a": 40}}
    assert ends(plan(ALL, held, free_bytes=300)) == {"telemetry.clean/0": 30}


def test_the_reader_that_is_furthest_behind_counts() -> None:
    held = {CLEAN.place: {"ahead": 40, "behind": 10}}
    assert ends(plan([CLEAN], held, free_bytes=100)) == {"telemetry.clean/0": 10}
    (cut,) = plan([CLEAN], held, free_bytes=300)
    assert (cut.end, cut.held, cut.size_bytes) == (30, {"ahead": 40, "behind": 10}, 300)


def test_when_nothing_else_is_left_the_undelivered_goes_low_first() -> None:
    held = needed(telemetry_raw=0, telemetry_clean=0, telemetry_1min=0)
    assert ends(plan(ALL, held, free_bytes=400)) == {"telemetry.raw/0": 30, "telemetry.clean/0": 10}


def test_what_is_old_goes_as_far_as_everybody_has_it() -> None:
    aged = {RAW.place: 25}
    assert ends(plan(ALL, {}, aged=aged)) == {"telemetry.raw/0": 20}
    assert ends(plan(ALL, needed(telemetry_raw=10), aged=aged)) == {"telemetry.raw/0": 10}
    assert plan(ALL, needed(telemetry_raw=9), aged=aged) == ()


def test_what_is_deleted_already_counts_as_freed_and_is_not_deleted_again() -> None:
    starts = {RAW.place: 20}
    assert plan(ALL, {}, free_bytes=200, starts=starts) == ()
    assert ends(plan(ALL, {}, free_bytes=300, starts=starts)) == {"telemetry.raw/0": 30}


def test_files_that_the_broker_has_renamed_count_as_freed() -> None:
    going = replace(log("telemetry.raw"), going_bytes=2 * SIZE)
    assert ends(plan([going], {}, free_bytes=2 * SIZE)) == {}
    assert ends(plan([going], {}, free_bytes=2 * SIZE + 1)) == {"telemetry.raw/0": 10}


def test_history_is_what_every_reader_has_and_may_go() -> None:
    held = {RAW.place: {"ahead": 30, "behind": 10}}
    assert history_bytes([RAW], {}, {}) == 3 * SIZE
    assert history_bytes([RAW], held, {}) == SIZE
    assert history_bytes([RAW], held, {RAW.place: 10}) == 0
    assert history_bytes([log("alarms.clean"), log("__consumer_offsets")], {}, {}) == 0


def test_of_two_cuts_of_a_partition_the_larger_one_is_made() -> None:
    small, large = (Cut(place=RAW.place, end=end, size_bytes=end) for end in (10, 20))
    assert merged([small, large]) == merged([large, small]) == (large,)
