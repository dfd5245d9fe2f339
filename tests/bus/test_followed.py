"""Fields of a batch header that no CRC covers, damaged in the log of a real broker: every reader judges alike."""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest

from streamforge.bus.producer import Producer
from streamforge.bus.reader import Cause, Pace, Reader
from streamforge.codec import segments
from streamforge.codec.log_batches import Batch
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.progress import Partition
from tests.broker import new_broker

pytestmark = pytest.mark.broker
COUNTS = (310, 309, 311, 30)
FIRST, NEXT = COUNTS[0], COUNTS[0] + COUNTS[1]
END = sum(COUNTS)
# What is flipped in the header of the second batch, whose base offset is 310: byte and bit.
FLIPS = {
    "telemetry.1s": (7, 1),  # base offset 308: two records seem to be known already
    "telemetry.10s": (6, 0),  # base offset 54
    "telemetry.1min": (7, 3),  # base offset 318
    "telemetry.1hour": (16, 0),  # magic 3
    "events.raw": (16, 7),  # magic -126, of which the broker gives nothing
    "events.clean": (15, 0),  # leader epoch: means nothing on a single node
}
DAMAGING = tuple(topic for topic in FLIPS if topic != "events.clean")
PACES = (Pace(), Pace(most_records=100), Pace(least_bytes=100_000, wait_ms=150))


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowAwayBroker]:
    """Every record's value is its offset. One header is damaged in each topic."""
    with new_broker(tmp_path_factory.mktemp("damaged")) as broker:
        for first, count in zip(accumulate((0, *COUNTS)), COUNTS, strict=False):
            write(broker, first, count)
        broker.stop()
        for topic, (byte, bit) in FLIPS.items():
            flip(broker.broker.data / f"{topic}-0", byte, bit)
        broker.start()
        yield broker


def write(broker: ThrowAwayBroker, first: int, count: int) -> None:
    """One batch of so many records to each topic."""
    producer = Producer(broker.connection("admin"), tuple(FLIPS), linger_ms=2_000)
    for topic in FLIPS:
        for offset in range(first, first + count):
            producer.send(Partition(topic), b"k", str(offset).encode(), (), lambda _offset: None)
    while not producer.flush(10):
        pass
    producer.close()


def flip(folder: Path, byte: int, bit: int) -> None:
    (path,) = segments.segments(folder)
    batches = [found for found in segments.walk_segment(path) if isinstance(found, Batch)]
    assert [one.header.record_count for one in batches] == list(COUNTS)
    data = bytearray(path.read_bytes())
    data[batches[1].position + byte] ^= 1 << bit
    path.write_bytes(data)


def read(broker: ThrowAwayBroker, topic: str, first: int, pace: Pace) -> tuple[list[int], set[int]]:
    """The offsets that came, each with the value that was written there, and those that were said to be missing."""
    place = Partition(topic)
    reader = Reader(broker.connection("admin"), pace)
    reader.assign({place: first})
    found = []
    while reader.next_offsets()[place] < END:
        found += reader.poll(0.5)
    reader.close()
    assert [int(one.value) for one in found] == [one.offset for one in found]
    assert all(hole.cause is not Cause.EVICTED for hole in reader.holes)
    return [one.offset for one in found], {at for one in reader.holes for at in range(one.first, one.next_offset)}


@pytest.mark.parametrize("pace", PACES, ids=("patient", "in small polls", "in large steps"))
@pytest.mark.parametrize("first", [0, FIRST])
@pytest.mark.parametrize("topic", DAMAGING)
def test_a_batch_that_cannot_be_placed_is_passed_over_whole_and_said(
    damaged: ThrowAwayBroker, topic: str, first: int, pace: Pace
) -> None:
    found, missing = read(damaged, topic, first, pace)
    assert found == [*range(first, FIRST), *range(NEXT, END)]
    assert missing == set(range(FIRST, NEXT))


@pytest.mark.parametrize("topic", DAMAGING)
def test_a_position_inside_it_is_no_exception(damaged: ThrowAwayBroker, topic: str) -> None:
    found, missing = read(damaged, topic, FIRST + 90, PACES[0])
    assert found == list(range(NEXT, END))
    assert missing == set(range(FIRST + 90, NEXT))


@pytest.mark.parametrize("pace", PACES, ids=("patient", "in small polls", "in large steps"))
def test_a_damaged_leader_epoch_costs_nothing(damaged: ThrowAwayBroker, pace: Pace) -> None:
    assert read(damaged, "events.clean", 0, pace) == (list(range(END)), set())
