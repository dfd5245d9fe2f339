"""One set of tests for two logs: the product's Reader and Producer see no difference between them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Cause, Hole, Reader
from streamforge.errors import Fatal, NotConnected
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.progress import Partition
from tests.broker import new_broker
from tests.faults.simulated.life import Life
from tests.faults.simulated.patches import simulated
from tests.faults.simulated.world import World

PLACE = Partition("audit_trail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """One log: the way to it, eviction up to an offset, and the broker's death and return."""

    connection: Connection
    evict: Callable[[int], None]
    kill: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def simulated_rig(directory: Path) -> Iterator[Rig]:
    world = World("clients", directory)

    def evict(offset: int) -> None:
        world.broker.log.barrier()
        world.broker.log.evict(PLACE, offset - world.broker.log.stands[PLACE].start)

    def start() -> None:
        world.broker.is_up = True

    with simulated(world.clock, world.draw, world.life_at, world.new_loop):
        yield Rig(
            connection=world.connection(Life("test", world.broker)), evict=evict, kill=world.broker.die, start=start
        )


def rig_of(broker: ThrowAwayBroker) -> Rig:
    def evict(offset: int) -> None:
        from kafka import TopicPartition
        from kafka.admin import KafkaAdminClient

        admin = KafkaAdminClient(**broker.connection("admin").kwargs())
        admin.delete_records({TopicPartition(*PLACE): offset})
        admin.close()

    return Rig(connection=broker.connection("admin"), evict=evict, kill=broker.kill, start=broker.start)


@contextmanager
def real_rig(directory: Path) -> Iterator[Rig]:
    with new_broker(directory) as broker:
        yield rig_of(broker)


Rigs = Callable[[Path], AbstractContextManager[Rig]]
BOTH = [pytest.param(simulated_rig, id="simulated"), pytest.param(real_rig, id="real", marks=pytest.mark.broker)]


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.broker)])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "simulated":
        with simulated_rig(tmp_path) as made:
            yield made
    else:
        yield rig_of(request.getfixturevalue("broker"))


def write(rig: Rig, *values: bytes) -> list[int]:
    """Put records on the topic; the offsets at which they stand."""
    offsets: list[int] = []
    producer = Producer(rig.connection, (PLACE.topic,))
    for value in values:
        producer.send(PLACE, b"key", value, (("name", value),), offsets.append)
    assert producer.flush(10)
    assert producer.outstanding_bytes == 0
    producer.close()
    return offsets


def test_records_stand_as_they_were_sent_in_order_at_the_offsets_that_were_acknowledged(rig: Rig) -> None:
    offsets = write(rig, b"a", b"b", b"c")
    reader = Reader(rig.connection)
    assert offsets == list(range(offsets[0], offsets[0] + 3))
    assert reader.ends([PLACE]) == {PLACE: offsets[2] + 1}
    found = list(reader.stretch(PLACE, offsets[0], offsets[2] + 1))
    assert [record.offset for record in found] == offsets
    assert [(record.key, record.value, list(record.headers)) for record in found] == [
        (b"key", value, [("name", value)]) for value in (b"a", b"b", b"c")
    ]
    reader.close()


def test_reading_goes_on_with_what_comes_later(rig: Rig) -> None:
    end = write(rig, b"before")[0] + 1
    reader = Reader(rig.connection)
    reader.assign({PLACE: end})
    assert reader.poll(0.1) == []
    write(rig, b"after")
    assert [record.value for record in reader.poll(10.0)] == [b"after"]
    assert reader.next_offsets() == {PLACE: end + 1}
    assert reader.holes == []
    reader.close()


def test_the_tail_and_what_comes_before_it(rig: Rig) -> None:
    write(rig, b"a", b"b", b"c", b"d")
    reader = Reader(rig.connection)
    assert [record.value for record in reader.tail(PLACE, 2)] == [b"c", b"d"]
    backwards = reader.backwards(PLACE, 1)
    assert [record.value for record in next(backwards)] == [b"d"]
    assert [record.value for record in next(backwards)][-3:] == [b"a", b"b", b"c"]
    reader.close()


def test_what_was_evicted_is_a_hole(rig: Rig) -> None:
    offsets = write(rig, b"a", b"b", b"c")
    rig.evict(offsets[2])
    reader = Reader(rig.connection)
    assert reader.starts([PLACE]) == {PLACE: offsets[2]}
    reader.assign({PLACE: offsets[0]})
    assert reader.poll(2.0) == []
    assert [record.value for record in reader.poll(10.0)] == [b"c"]
    assert reader.holes == [Hole(partition=PLACE, first=offsets[0], next_offset=offsets[2], cause=Cause.EVICTED)]
    reader.close()


def test_a_position_beyond_the_end_goes_back_to_it(rig: Rig) -> None:
    end = write(rig, b"a")[0] + 1
    reader = Reader(rig.connection)
    reader.assign({PLACE: end + 100})
    while reader.next_offsets()[PLACE] != end:
        reader.poll(0.5)
    reader.close()


def test_a_topic_that_is_not_there_is_fatal(rig: Rig) -> None:
    reader = Reader(rig.connection)
    with pytest.raises(Fatal):
        reader.partitions("no.such.topic")
    assert reader.partitions(PLACE.topic) == (PLACE,)
    reader.close()


@pytest.mark.parametrize("rigs", BOTH)
def test_while_the_broker_is_away_nothing_new_connects_and_what_was_sent_stands_once_afterwards(
    rigs: Rigs, tmp_path: Path
) -> None:
    with rigs(tmp_path) as rig:
        reader, producer = Reader(rig.connection), Producer(rig.connection, (PLACE.topic,))
        reader.assign({PLACE: 0})
        rig.kill()
        acknowledged: list[int] = []
        for value in (b"a", b"b"):
            producer.send(PLACE, b"", value, (), acknowledged.append)
        assert not producer.flush(0.5)
        assert reader.poll(0.2) == []
        with pytest.raises(NotConnected):
            Reader(rig.connection)
        assert acknowledged == []
        rig.start()
        assert producer.flush(60)
        assert acknowledged == [0, 1]
        again = Reader(rig.connection)
        assert [record.value for record in again.stretch(PLACE, 0, again.ends([PLACE])[PLACE])] == [b"a", b"b"]
        for client in (reader, again, producer):
            client.close()
