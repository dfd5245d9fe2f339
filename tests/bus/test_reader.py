"""Reading the log by exact positions, against a real broker."""

from pathlib import Path

import pytest

from streamforge.bus.producer import Producer
from streamforge.bus.reader import Cause, Hole, Reader
from streamforge.errors import Fatal, NotConnected
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.progress import Partition
from tests.broker import new_broker

pytestmark = pytest.mark.broker
PLACE = Partition("audit_trail")


def write(broker: ThrowAwayBroker, *values: bytes) -> list[int]:
    """Put records on the topic; the offsets at which they stand."""
    offsets: list[int] = []
    producer = Producer(broker.connection("admin"), (PLACE.topic,))
    for value in values:
        producer.send(PLACE, b"k", value, (("h", b"1"),), offsets.append)
    producer.flush(5)
    assert producer.outstanding_bytes == 0
    producer.close()
    return offsets


def test_a_stretch_is_exactly_what_was_asked_for(broker: ThrowAwayBroker) -> None:
    offsets = write(broker, b"a", b"b", b"c", b"d")
    reader = Reader(broker.connection("admin"))
    found = list(reader.stretch(PLACE, offsets[1], offsets[3]))
    assert [(record.offset, record.value) for record in found] == [(offsets[1], b"b"), (offsets[2], b"c")]
    assert found[0].headers == [("h", b"1")]
    assert [record.value for record in reader.tail(PLACE, 2)] == [b"c", b"d"]
    reader.close()


def test_records_that_are_gone_are_a_hole_and_reading_goes_on_after_it(broker: ThrowAwayBroker) -> None:
    from kafka import TopicPartition
    from kafka.admin import KafkaAdminClient

    offsets = write(broker, b"a", b"b", b"c")
    admin = KafkaAdminClient(**broker.connection("admin").kwargs())
    admin.delete_records({TopicPartition(*PLACE): offsets[2]})
    admin.close()
    reader = Reader(broker.connection("admin"))
    reader.assign({PLACE: offsets[0]})
    found = reader.poll(2.0) or reader.poll(2.0)
    assert [record.value for record in found] == [b"c"]
    assert reader.holes == [Hole(partition=PLACE, first=offsets[0], next_offset=offsets[2], cause=Cause.EVICTED)]
    assert found[0].hole == reader.holes[0]
    reader.close()


def test_a_position_beyond_the_end_steps_back_to_it(broker: ThrowAwayBroker) -> None:
    end = write(broker, b"a")[-1] + 1
    reader = Reader(broker.connection("admin"))
    reader.assign({PLACE: end + 1000})
    while reader.next_offsets()[PLACE] != end:
        reader.poll(0.5)
    write(broker, b"new")
    assert [record.value for record in reader.poll(5.0)] == [b"new"]
    reader.close()


def test_a_topic_that_is_not_there_or_not_ours_is_said_at_once(broker: ThrowAwayBroker) -> None:
    reader = Reader(broker.connection("sink-file"))
    with pytest.raises(Fatal, match=r"Kafka user 'sink-file' may not use topic 'no\.such\.topic'"):
        reader.partitions("no.such.topic")
    reader.close()


def test_writing_where_only_reading_is_allowed_is_said_with_user_and_topic(broker: ThrowAwayBroker) -> None:
    producer = Producer(broker.connection("sink-file"), ())
    producer.send(Partition("telemetry.clean"), b"k", b"v", (), lambda _offset: None)
    with pytest.raises(Fatal, match=r"Kafka user 'sink-file' may not use topic 'telemetry\.clean'"):
        producer.flush(10)
    producer.close()


def test_a_broker_that_goes_away_is_noticed_and_found_again(tmp_path: Path) -> None:
    with new_broker(tmp_path) as broker:
        reader = Reader(broker.connection("admin"))
        reader.assign({PLACE: 0})
        broker.kill()
        while not reader.away:
            reader.poll(0.5)
        assert broker.broker.bootstrap in reader.away
        broker.start()
        while reader.away:
            reader.poll(0.5)
        write(broker, b"after")
        assert [record.value for record in reader.poll(10.0)] == [b"after"]
        reader.close()


def test_without_a_broker_a_client_is_not_connected_within_seconds(broker: ThrowAwayBroker) -> None:
    from dataclasses import replace

    nobody = replace(broker.connection("admin"), bootstrap="127.0.0.1:9")
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:9"):
        Reader(nobody)


def test_offsets_of_a_topic_that_the_client_has_not_heard_of_are_found_beside_one_that_it_reads(
    broker: ThrowAwayBroker,
) -> None:
    known, unknown = Partition("telemetry.1s"), Partition("telemetry.1min")
    reader = Reader(broker.connection("admin"))
    reader.assign({known: 0})
    reader.poll(0.2)
    assert reader.starts([known, unknown]) == {known: 0, unknown: 0}
    assert reader.ends([unknown, known]) == {known: 0, unknown: 0}
    reader.close()
