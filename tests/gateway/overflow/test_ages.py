"""How old what stands on the log is at least, without a wall clock."""

from streamforge.gateway.overflow.ages import OLD_SECONDS, Ages
from streamforge.gateway.overflow.log_use import PartitionLog, Segment
from streamforge.progress import Partition

RAW = Partition("telemetry.raw")


def log(newest: int) -> list[PartitionLog]:
    segments = tuple(Segment(first=first, size_bytes=1, written_ns=0) for first in (0, newest))
    return [PartitionLog(place=RAW, segments=segments, size_bytes=2)]


def test_nothing_is_old_before_it_was_seen_for_an_hour() -> None:
    ages = Ages()
    ages.note(log(100), 0.0)
    assert ages.old(OLD_SECONDS - 1) == {}
    assert ages.old(OLD_SECONDS) == {RAW: 100}


def test_what_came_later_is_younger() -> None:
    ages = Ages()
    for minute in range(90):
        ages.note(log(10 * minute), 60.0 * minute)
    assert ages.old(60.0 * 90) == {RAW: 300}
    assert ages.old(60.0 * 95) == {RAW: 350}


def test_a_log_that_begins_anew_is_young() -> None:
    ages = Ages()
    ages.note(log(100), 0.0)
    ages.note(log(10), 60.0)
    assert ages.old(OLD_SECONDS) == {}
    assert ages.old(OLD_SECONDS + 60.0) == {RAW: 10}
