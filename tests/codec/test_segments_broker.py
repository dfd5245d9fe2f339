"""What the real broker wrote, read from its disk while it runs: the very records that a client gets from it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamforge.bus.producer import Producer
from streamforge.bus.reader import Fetched, Reader
from streamforge.codec.log_batches import Batch
from streamforge.codec.log_compression import Compression
from streamforge.codec.segments import Damage, segments, valid_end, walk
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.progress import Headers, Partition
from tests.broker import new_broker

pytestmark = pytest.mark.broker
PLACE = Partition("dlq.events")
HEADERS: Headers = (("sf-in", b"\x00\x01\xff"), ("sf-empty", b""))


def folder(broker: ThrowAwayBroker, place: Partition = PLACE) -> Path:
    return broker.broker.data / f"{place.topic}-{place.number}"


def write(broker: ThrowAwayBroker, compression: str | None, count: int, place: Partition = PLACE) -> None:
    producer = Producer(broker.connection("admin"), (place.topic,), compression=compression)
    for number in range(count):
        value = b"%d " % number + b"reading " * (number % 300)
        producer.send(place, b"pump_%d" % (number % 3), value, HEADERS if number % 2 else (), lambda _offset: None)
    producer.flush(20)
    producer.close()


def read(broker: ThrowAwayBroker) -> list[Fetched]:
    reader = Reader(broker.connection("admin"))
    try:
        start, end = reader.starts([PLACE])[PLACE], reader.ends([PLACE])[PLACE]
        return list(reader.stretch(PLACE, start, end))
    finally:
        reader.close()


def test_the_disk_holds_what_the_broker_serves(broker: ThrowAwayBroker) -> None:
    for compression in ("lz4", None, "gzip"):
        write(broker, compression, 700)
    served = read(broker)
    found = list(walk(folder(broker)))
    batches = [one for one in found if isinstance(one, Batch)]
    assert not [one for one in found if isinstance(one, Damage)]
    assert {one.compression for one in batches} == {Compression.LZ4, Compression.NONE, Compression.GZIP}
    assert [
        (record.offset, record.timestamp_us, record.key, record.value, list(record.headers))
        for one in batches
        for record in one.records()
    ] == [(one.offset, one.kafka_time_us, one.key, one.value, list(one.headers)) for one in served]
    assert valid_end(folder(broker)) == served[-1].offset + 1


def test_every_log_of_a_broker_is_whole_also_those_of_its_own(broker: ThrowAwayBroker) -> None:
    partitions = [path for path in broker.broker.data.iterdir() if path.is_dir()]
    assert any(path.name.startswith("__cluster_metadata-") for path in partitions)
    for path in partitions:
        assert not [one for one in walk(path) if isinstance(one, Damage)], path


def middle(data: bytes) -> bytes:
    """One bit of the second half flipped."""
    at = len(data) * 2 // 3
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


HURT: dict[str, Callable[[bytes], bytes]] = {
    "telemetry.raw": middle,
    "telemetry.clean": lambda data: data[:-100],
    "events.raw": lambda data: data + bytes(8192),
    "events.clean": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "alarms.raw": lambda data: bytes(4096) + data[4096:],
    "alarms.clean": lambda data: data,
}


def test_the_valid_end_is_where_the_broker_goes_on_after_a_power_cut(tmp_path: Path) -> None:
    places = [Partition(topic) for topic in HURT]
    with new_broker(tmp_path) as broker:
        for place in places:
            for _ in range(5):
                write(broker, "lz4", 300, place)
        broker.kill()
        for place in places:
            segment = segments(folder(broker, place))[-1]
            segment.write_bytes(HURT[place.topic](segment.read_bytes()))
        expected = {place: valid_end(folder(broker, place)) for place in places}
        broker.start()
        reader = Reader(broker.connection("admin"))
        assert reader.ends(places) == expected
        reader.close()
    assert [expected[place] for place in places[2:]] == [1500, expected[places[3]], 0, 1500]
    assert all(0 < expected[place] < 1500 for place in (places[0], places[1], places[3]))


def test_what_a_unit_writes_lies_compressed_on_the_disk_from_the_start(broker: ThrowAwayBroker) -> None:
    place = Partition("audit_trail")
    producer = Producer(broker.connection("admin"), (place.topic,))
    offsets: list[int] = []
    for number in range(50):
        producer.send(place, b"pump", b"%d reading" % number, (), offsets.append)
    producer.flush(20)
    producer.close()
    batches = [one for one in walk(folder(broker, place)) if isinstance(one, Batch) and one.base_offset >= offsets[0]]
    assert {one.compression for one in batches} == {Compression.LZ4}
