"""One stage against a real broker: exactly once, whatever it had written when it ended."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from streamforge.bus.admin import Admin
from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.codec import encode, segments
from streamforge.codec.log_batches import Batch
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.incarnations import Incarnations
from streamforge.metrics import Metrics
from streamforge.model import Event, ReadingBatch, Topic
from streamforge.progress import HOLE_HEADER, Partition, Position, Stored
from streamforge.transforms.base import Emit, Transform, TransformConfig
from streamforge.transforms.marks import read_mark, read_side_mark
from streamforge.transforms.stage import Stage
from tests.broker import new_broker
from tests.bus.test_commit import answering
from tests.chain import checker
from tests.samples import batch

pytestmark = pytest.mark.broker
RAW, CLEAN, DLQ = Topic.TELEMETRY_RAW.value, Topic.TELEMETRY_CLEAN.value, Topic.DLQ_TELEMETRY.value
EVENTS = Topic.EVENTS_CLEAN.value


class OddOnesOut(Transform[TransformConfig]):
    """Passes every batch on; every third goes to the dead letters as well. Remembers the last two inputs."""

    Config = TransformConfig
    input, output, sides = RAW, CLEAN, (DLQ, EVENTS)

    def __init__(self) -> None:
        super().__init__(TransformConfig())
        self.seen: list[int] = []

    def apply(self, stored: Stored) -> Iterable[Emit]:
        self.seen.append(stored.offset)
        assert isinstance(stored.record, ReadingBatch)
        if stored.record.seq % 3 == 0:
            yield Emit(topic=DLQ, key="pump_1", record=stored.record)
        yield Emit(topic=CLEAN, key="pump_1", record=stored.record)

    def holding(self) -> int | None:
        return self.seen[-2] if len(self.seen) > 1 else None


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """The administrator's way to a broker whose topics are empty."""
    with new_broker(tmp_path) as broker:
        yield broker.connection("admin")


def write(connection: Connection, count: int, first: int = 1) -> None:
    producer = Producer(connection, (RAW,))
    for seq in range(first, first + count):
        record = batch(seq, count_before=seq - 1, values=(1.0,))
        producer.send(Partition(RAW), b"pump_1", encode(record), (), lambda _offset: None)
    producer.flush(5)
    producer.close()


class Run:
    """One life of the stage: restore, then take inputs; `die` ends it as kill -9 does."""

    def __init__(self, connection: Connection, transform: OddOnesOut | None = None) -> None:
        self.transform = transform or OddOnesOut()
        self._producer = Producer(connection, (CLEAN, DLQ, EVENTS))
        self._reader = Reader(connection)
        self.stage = Stage(self.transform, 0, self._producer, Metrics())
        for _ in self.stage.restore(self._reader):
            pass
        self._reader.assign({Partition(RAW): self.stage.next_offset})

    def take(self, count: int, *, finish: bool = True) -> None:
        while count > 0:
            for fetched in self._reader.poll(1.0)[:count]:
                self.stage.take(fetched)
                count -= 1
            self._reader.assign({Partition(RAW): self.stage.next_offset})
        if finish:
            self.stage.finish()
            self._producer.flush(5)

    def die(self) -> None:
        self._producer.flush(5)
        self._producer.close()
        self._reader.close()


def test_a_restart_goes_on_after_the_last_output(connection: Connection) -> None:
    write(connection, 10)
    first = Run(connection)
    first.take(4)
    first.die()
    second = Run(connection)
    assert second.stage.next_offset == 4
    second.take(6)
    second.die()
    assert checker.in_topic(connection, CLEAN).times == checker.in_topic(connection, RAW).times


def test_state_is_rebuilt_from_the_oldest_input_still_needed(connection: Connection) -> None:
    write(connection, 10)
    first = Run(connection)
    first.take(5)
    first.take(1)
    first.die()
    assert first.stage.details({})["hold_offset"] == 3
    second = Run(connection)
    assert second.stage.details({})["hold_offset"] == 3
    assert second.transform.seen == [3, 4, 5], "from the hold of the last output, without writing anything"
    second.die()
    assert len(checker.records(connection, CLEAN)) == 6


def test_side_outputs_that_stand_already_are_not_written_again(connection: Connection) -> None:
    write(connection, 10)
    first = Run(connection)
    first.take(2)
    first.take(4, finish=False)  # the dead letter of 3 and of 6 are written, the main outputs are not
    first.die()
    second = Run(connection)
    assert second.stage.next_offset == 2
    second.take(8)
    second.die()
    dead = Counter(record.seq for record in checker.records(connection, DLQ) if isinstance(record, ReadingBatch))
    assert dead == {3: 1, 6: 1, 9: 1}
    assert checker.in_topic(connection, CLEAN).times == checker.in_topic(connection, RAW).times


def evict(connection: Connection, topic: str, end: int) -> None:
    with Admin(connection) as admin:
        admin.delete_records({Partition(topic): end})


def test_side_outputs_that_stood_and_were_evicted_are_not_written_again(connection: Connection) -> None:
    """The oldest that is still found says it of those before it, through any number of restarts."""
    write(connection, 13)
    first = Run(connection)
    first.take(2)
    first.take(9, finish=False)  # the dead letters of 3, 6 and 9 are written, the main outputs are not
    first.die()
    evict(connection, DLQ, 2)
    for count in (2, 2, 2, 5):
        next_ = Run(connection)
        next_.take(count)
        next_.die()
    assert [record.seq for record in checker.records(connection, DLQ) if isinstance(record, ReadingBatch)] == [9, 12]
    assert checker.in_topic(connection, CLEAN).times == checker.in_topic(connection, RAW).times


def test_side_outputs_that_never_stood_are_written_although_older_ones_were_evicted(connection: Connection) -> None:
    write(connection, 10)
    first = Run(connection)
    first.take(4)
    first.take(3, finish=False)
    first.die()
    evict(connection, DLQ, 1)
    second = Run(connection)
    second.take(6)
    second.die()
    assert [record.seq for record in checker.records(connection, DLQ) if isinstance(record, ReadingBatch)] == [6, 9]


class Remembers(OddOnesOut):
    """Holds all inputs, and says at a replay of every output whether it is one of those that were told."""

    def __init__(self) -> None:
        super().__init__()
        self.stand: set[int] = set()

    def holding(self) -> int | None:
        return 0

    def standing(self, stored: Stored, next_offset: int) -> None:
        self.stand.add(next_offset - 1)

    def replay(self, stored: Stored) -> Iterable[Emit]:
        return [emit for emit in self.apply(stored) if emit.topic == CLEAN and stored.offset not in self.stand]


def test_main_outputs_that_were_evicted_are_not_written_again(connection: Connection) -> None:
    write(connection, 4)
    for _ in range(2):
        run = Run(connection, Remembers())
        run.take(4 - run.stage.next_offset)
        run.die()
        evict(connection, CLEAN, 2)
    assert [record.seq for record in checker.records(connection, CLEAN) if isinstance(record, ReadingBatch)] == [3, 4]


def cut(connection: Connection, file: Path, **ends: int) -> Connection:
    """The same log, of which is known that offsets from these on were lost and given out anew."""
    firsts = {Partition(topic): end for topic, end in ends.items()}
    file.write_text(Incarnations().opening(opened_at_us=1, reason="power cut", firsts=firsts).to_json())
    return replace(connection, incarnations_file=file)


def test_inputs_whose_offsets_were_given_out_anew_are_not_skipped(connection: Connection, tmp_path: Path) -> None:
    write(connection, 10)
    first = Run(connection)
    first.take(7)
    first.die()
    second = Run(cut(connection, tmp_path / "incarnations.json", **{RAW: 4}))
    assert second.stage.next_offset == 4
    second.take(6)
    second.die()
    mark = read_mark(Reader(connection).tail(Partition(CLEAN))[0].headers)
    assert mark is not None
    assert mark.position == Position(next_offset=10, incarnation=2)
    third = Run(replace(connection, incarnations_file=tmp_path / "incarnations.json"))
    assert third.stage.next_offset == 10, "a position of the incarnation in force counts"
    third.die()


def test_side_outputs_of_lost_inputs_do_not_stand_for_the_new_ones(connection: Connection, tmp_path: Path) -> None:
    write(connection, 10)
    first = Run(connection)
    first.take(2)
    first.take(4, finish=False)  # dead letters of the inputs 2 and 5 stand, the main outputs do not
    first.die()
    second = Run(cut(connection, tmp_path / "incarnations.json", **{RAW: 4}))
    assert second.stage.next_offset == 2
    second.take(8)
    second.die()
    dead = Counter(record.seq for record in checker.records(connection, DLQ) if isinstance(record, ReadingBatch))
    assert dead == {3: 1, 6: 2, 9: 1}, "input 5 was lost: another stands at its offset and has its own dead letter"


def test_outputs_say_in_headers_what_a_restart_needs(connection: Connection) -> None:
    write(connection, 4)
    run = Run(connection)
    run.take(4)
    run.die()
    reader = Reader(connection)
    mark = read_mark(reader.tail(Partition(CLEAN))[0].headers)
    side = read_side_mark(reader.tail(Partition(DLQ))[0].headers)
    reader.close()
    assert mark is not None
    assert (mark.place, mark.position.next_offset, mark.sides[DLQ]) == (Partition(RAW), 4, 1)
    assert mark.hold <= 3
    assert side is not None
    assert side.input_offset == 2


def test_an_output_points_at_the_side_outputs_of_later_inputs(connection: Connection) -> None:
    """They stand before the first main output is sent; were the later main ones lost, they would be written again."""
    write(connection, 6)
    run = Run(connection)
    run.take(6)
    run.die()
    reader = Reader(connection)
    marks = [read_mark(fetched.headers) for fetched in reader.stretch(Partition(CLEAN), 0, 6)]
    reader.close()
    # The dead letter of the third input stands at 0, that of the sixth at 1.
    assert [mark.sides[DLQ] for mark in marks if mark] == [0, 0, 1, 1, 1, 2]


def test_bytes_that_are_no_record_go_to_the_dead_letters_and_the_rest_goes_on(connection: Connection) -> None:
    producer = Producer(connection, (RAW,))
    producer.send(Partition(RAW), b"k", b"junk", (), lambda _offset: None)
    producer.flush(5)
    producer.close()
    write(connection, 2)
    run = Run(connection)
    run.take(3)
    run.die()
    letters = checker.records(connection, DLQ)
    assert [getattr(letter, "payload", None) for letter in letters] == [b"junk"]
    assert len(checker.records(connection, CLEAN)) == 2


def test_the_shipped_rights_suffice(broker: ThrowAwayBroker) -> None:
    connection = broker.connection("transform-validator")
    producer = Producer(connection, (CLEAN, DLQ))
    reader = Reader(connection)
    for _ in Stage(OddOnesOut(), 0, producer, Metrics()).restore(reader):
        pass
    reader.close()
    producer.close()


def corrupted(tmp_path: Path, *sequences: range) -> ThrowAwayBroker:
    """A broker whose raw topic holds these batches, written one after the other; the second has a bit flipped."""
    broker = new_broker(tmp_path)
    broker.start()
    for sequence in sequences:
        write(broker.connection("admin"), len(sequence), sequence.start)
    broker.stop()
    (path,) = segments.segments(broker.broker.data / f"{RAW}-0")
    second = [found for found in segments.walk_segment(path) if isinstance(found, Batch)][1]
    data = bytearray(path.read_bytes())
    data[second.position + second.size_bytes - 1] ^= 1
    path.write_bytes(data)
    broker.start()
    return broker


def test_what_is_missing_in_the_input_is_said_in_the_next_output_and_by_one_event_also_after_a_restart(
    tmp_path: Path,
) -> None:
    broker = corrupted(tmp_path, range(1, 4), range(4, 6), range(6, 9))
    try:
        connection = broker.connection("admin")
        first = Run(connection)
        first.take(4, finish=False)  # 1 to 3, and 6 after the hole, whose event is written and whose output is not
        first.die()
        second = Run(connection)
        second.take(6)
        second.die()
        reader = Reader(connection)
        outputs = reader.tail(Partition(CLEAN), 6)
        reader.close()
        (event,) = [one for one in checker.records(connection, EVENTS) if isinstance(one, Event)]
    finally:
        broker.stop()
    said = [dict(one.headers).get(HOLE_HEADER) for one in outputs]
    assert said == [None, None, None, b"3-5", None, None]
    assert event.details == {
        "topic": RAW, "partition": "0", "first": "3", "next_offset": "5", "cause": "corrupt", "adapters": "plant/1=2"
    }  # fmt: skip


def test_an_event_that_a_predecessor_left_standing_is_on_the_disk_before_an_output_passes_it(tmp_path: Path) -> None:
    """It may stand in memory alone: with the position beyond it, a power cut would take it for good."""
    broker = corrupted(tmp_path, range(1, 4), range(4, 6), range(6, 9))
    with TemporaryDirectory(prefix="sf-") as run:
        try:
            connection = broker.connection("admin")
            first = Run(connection)
            first.take(4, finish=False)
            first.die()
            second = Run(replace(connection, barrier_directory=Path(run)))
            second.take(4, finish=False)
            assert not second.stage.finish(), "nobody syncs"
            assert checker.records(connection, CLEAN) == []
            with answering(Path(run)) as syncd:
                assert second.stage.finish()
                second.die()
            assert len(syncd.asked_ns) == 1
            assert len(checker.records(connection, CLEAN)) == 4
            assert len(checker.records(connection, EVENTS)) == 1
        finally:
            broker.stop()
