"""The simulated log does what it says: a watermark, torn tails, eviction."""

from random import Random

from streamforge.progress import Partition
from tests.faults.simulated.log import Log

RAW, ALARMS = Partition("telemetry.raw"), Partition("alarms.raw")


def filled(durable: int, after: int) -> Log:
    """Records on both topics, `durable` of them before a barrier."""
    log = Log(lambda: 0)
    for number in range(durable + after):
        if number == durable:
            log.barrier()
        for place in (RAW, ALARMS):
            log.append(place, b"", str(number).encode(), ())
    return log


def test_a_cut_keeps_what_the_disk_had_and_a_prefix_of_the_rest() -> None:
    ends = set()
    for seed in range(60):
        log = filled(durable=5, after=3)
        ends.add(log.cut(Random(seed))[RAW])
        stand = log.stands[RAW]
        assert [entry.offset for entry in stand.entries] == list(range(stand.end))
        assert len(stand.entries) + len(stand.torn) == 8
    assert ends == {5, 6, 7, 8}


def test_a_sync_brings_to_the_disk_what_stood_when_it_began() -> None:
    for seed in range(20):
        log = filled(durable=2, after=4)
        log.barrier({place: min(4, stand.end) for place, stand in log.stands.items()})
        assert log.cut(Random(seed))[ALARMS] >= 4
    assert {filled(durable=0, after=4).cut(Random(seed))[ALARMS] for seed in range(60)} == {0, 1, 2, 3, 4}


def test_offsets_are_given_out_again_after_a_cut() -> None:
    log = filled(durable=2, after=4)
    end = log.cut(Random(1))[RAW]
    assert log.append(RAW, b"", b"new", ()) == end


def test_eviction_takes_the_oldest_and_leaves_the_newest_and_what_the_disk_does_not_have() -> None:
    log = filled(durable=3, after=1)
    log.evict(RAW, 100)
    assert (log.stands[RAW].start, log.stands[RAW].end) == (3, 4)
    log.barrier()
    log.evict(RAW, 100)
    assert [entry.value for entry in log.stands[RAW].entries] == [b"3"]
