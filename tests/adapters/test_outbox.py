"""From a scan to the log."""

import inspect
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.adapters.base import Batch
from streamforge.adapters.outbox import TELEMETRY, Outbox
from streamforge.codec import decode
from streamforge.errors import Rejected
from streamforge.model import Event, ReadingBatch, Severity, TimeQuality
from streamforge.progress import Headers, OwnNumber, Partition
from tests.samples import SOURCE, plain_names


class Recorder:
    """Takes what is handed over and acknowledges when told to: the place of the Kafka client."""

    def __init__(self) -> None:
        self.sent: list[tuple[Partition, bytes, Callable[[int], None]]] = []
        self.headers: list[Headers] = []

    def send(self, place: Partition, key: bytes, value: bytes, headers: Headers, on_ack: Callable[[int], None]) -> None:
        self.sent.append((place, value, on_ack))
        self.headers.append(headers)

    def acknowledge(self, count: int) -> None:
        for offset, (_, _, on_ack) in enumerate(self.sent[:count]):
            on_ack(offset)

    def batches(self) -> list[ReadingBatch]:
        decoded = [decode(value) for _, value, _ in self.sent]
        return [batch for batch in decoded if isinstance(batch, ReadingBatch)]


def scan(size: int, done: Callable[[], None] = lambda: None) -> Batch:
    return Batch(asset_id="pump_1", names=plain_names(size), values=(1.0,) * size, done=done)


def put(outbox: Outbox, *sizes: int) -> None:
    for size in sizes:
        outbox.put(scan(size), 1_790_000_000_000_000, TimeQuality.SYNCED)


def test_batches_are_numbered_and_count_the_readings_before_them() -> None:
    outbox, recorder = Outbox(SOURCE, epoch=3), Recorder()
    put(outbox, 2, 5, 1)
    outbox.pump(recorder, 1)
    assert [(b.epoch, b.seq, b.count_before, len(b)) for b in recorder.batches()] == [
        (3, 1, 0, 2),
        (3, 2, 2, 5),
        (3, 3, 7, 1),
    ]


def test_read_counts_only_what_the_log_acknowledged() -> None:
    outbox, recorder = Outbox(SOURCE, epoch=1), Recorder()
    put(outbox, 2, 5)
    outbox.pump(recorder, 1)
    assert outbox.read == 0
    recorder.acknowledge(1)
    assert outbox.settle() == 2
    assert (outbox.read, outbox.is_empty) == (2, False)


def test_done_runs_only_after_the_log_acknowledged() -> None:
    outbox, recorder = Outbox(SOURCE, epoch=1), Recorder()
    happened: list[str] = []
    outbox.put(scan(1, lambda: happened.append("done")), 1, TimeQuality.UNSET)
    outbox.pump(recorder, 1)
    outbox.settle()
    assert happened == []
    recorder.acknowledge(1)
    outbox.settle()
    assert happened == ["done"]


def test_without_a_broker_the_oldest_go_first_and_are_counted() -> None:
    outbox = Outbox(SOURCE, epoch=1, most_bytes=2000)
    put(outbox, *(10,) * 50)
    assert outbox.unacknowledged_bytes <= 2000
    assert outbox.dropped > 0
    assert outbox.dropped % 10 == 0
    recorder = Recorder()
    outbox.pump(recorder, 1)
    assert recorder.batches()[0].count_before == outbox.dropped, "the hole in the numbers is the number dropped"


def test_what_a_lost_client_had_is_sent_again_unless_it_stands() -> None:
    outbox, lost, fresh = Outbox(SOURCE, epoch=1), Recorder(), Recorder()
    put(outbox, 1, 2, 3)
    outbox.pump(lost, 1)
    put(outbox, 4)
    outbox.recall({TELEMETRY: {1}})
    outbox.pump(fresh, 1)
    assert [batch.seq for batch in fresh.batches()] == [2, 3, 4]
    assert outbox.read == 1


def test_an_asset_stays_on_its_partition() -> None:
    outbox, recorder = Outbox(SOURCE, epoch=1), Recorder()
    put(outbox, 1, 1, 1)
    outbox.pump(recorder, 12)
    assert len({place for place, _, _ in recorder.sent}) == 1


@given(st.lists(st.one_of(st.integers(1, 5), st.sampled_from(["pump", "ack", "lose"])), max_size=40))
def test_whatever_happens_every_reading_is_read_or_still_here(steps: list[int | str]) -> None:
    outbox, recorder, taken = Outbox(SOURCE, epoch=1, most_bytes=1500), Recorder(), 0
    for step in steps:
        if isinstance(step, int):
            put(outbox, step)
            taken += step
        elif step == "pump":
            outbox.pump(recorder, 1)
        elif step == "ack":
            recorder.acknowledge(len(recorder.sent))
            outbox.settle()
        else:
            standing = {batch.seq for batch in recorder.batches()[: len(recorder.sent) // 2]}
            recorder = Recorder()
            outbox.recall({TELEMETRY: standing})
    last = Recorder()
    outbox.recall({})
    while not outbox.is_empty:
        outbox.pump(last, 1)
        last.acknowledge(len(last.sent))
        outbox.settle()
    assert outbox.read == taken


def test_what_waited_for_the_broker_goes_in_order_and_before_what_comes() -> None:
    outbox, recorder = Outbox(SOURCE, epoch=1), Recorder()
    put(outbox, 1, 2, 3)
    outbox.pump(recorder, 1)
    put(outbox, 4)
    outbox.pump(recorder, 1)
    assert [(batch.seq, batch.count_before) for batch in recorder.batches()] == [(1, 0), (2, 1), (3, 3), (4, 6)]


def test_the_ring_of_a_unit_holds_64_mib_unless_told_otherwise() -> None:
    assert inspect.signature(Outbox).parameters["most_bytes"].default == 64 * 1024 * 1024


@pytest.mark.parametrize("quality", list(TimeQuality))
def test_a_batch_says_how_good_the_clock_was_when_it_was_read(quality: TimeQuality) -> None:
    outbox, recorder = Outbox(SOURCE, epoch=1), Recorder()
    outbox.put(scan(1), 0, quality)
    outbox.pump(recorder, 1)
    assert [batch.time_quality for batch in recorder.batches()] == [quality]


def event(number: int) -> Event:
    return Event(
        event_id=f"line/1-{number}",
        asset_id="pump_1",
        type="door",
        severity=Severity.LOW,
        time_us=number,
        message="open",
    )


def test_alarms_and_events_go_before_telemetry_and_are_numbered_for_themselves() -> None:
    outbox, recorder = Outbox(SOURCE, epoch=3), Recorder()
    put(outbox, 2)
    outbox.put_signal(event(1), "pump_1")
    outbox.put_signal(event(2), "pump_1")
    outbox.pump(recorder, 1)
    assert [place.topic for place, _, _ in recorder.sent] == ["events.raw", "events.raw", "telemetry.raw"]
    assert [OwnNumber.of(headers) for headers in recorder.headers] == [
        OwnNumber(writer=SOURCE.adapter_id, epoch=3, number=1),
        OwnNumber(writer=SOURCE.adapter_id, epoch=3, number=2),
        None,
    ]
    assert (outbox.numbered, outbox.oldest_signals()) == (2, {"events.raw": 1})
    recorder.acknowledge(3)
    assert outbox.settle() == 2
    assert outbox.is_empty


def test_an_event_that_stands_is_not_sent_again_and_its_done_runs() -> None:
    outbox, lost, fresh = Outbox(SOURCE, epoch=1), Recorder(), Recorder()
    happened: list[int] = []
    for number in (1, 2):
        outbox.put_signal(event(number), "pump_1", partial(happened.append, number))
    outbox.pump(lost, 1)
    outbox.recall({"events.raw": {1}})
    outbox.pump(fresh, 1)
    assert happened == [1]
    assert [decode(value) for _, value, _ in fresh.sent] == [event(2)]


def test_where_there_is_no_room_telemetry_goes_before_events() -> None:
    outbox = Outbox(SOURCE, epoch=1, most_bytes=400)
    outbox.put_signal(event(1), "pump_1")
    put(outbox, *(10,) * 20)
    assert (outbox.dropped > 0, outbox.dropped_signals.total()) == (True, 0)
    for number in range(2, 20):
        outbox.put_signal(event(number), "pump_1")
    assert outbox.dropped == 200
    assert outbox.dropped_signals.keys() == {"events.raw"}
    assert outbox.dropped_signals["events.raw"] > 0


def test_who_waits_for_what_is_too_large_for_the_log_does_not_wait_for_ever() -> None:
    happened: list[str] = []

    class Narrow(Recorder):
        def send(
            self, place: Partition, key: bytes, value: bytes, headers: Headers, on_ack: Callable[[int], None]
        ) -> None:
            raise Rejected((0,), "too large")

    outbox = Outbox(SOURCE, epoch=1)
    outbox.put(scan(3, lambda: happened.append("done")), 1, TimeQuality.SYNCED)
    outbox.pump(Narrow(), 1)
    assert happened == ["done"]
    assert (outbox.dropped, outbox.is_empty) == (3, True)


def test_thousands_may_wait_for_one_acknowledgement() -> None:
    outbox, client, told = Outbox(SOURCE, 1), Recorder(), list[str]()
    outbox.put(scan(1, lambda: told.append("first")), 1, TimeQuality.SYNCED)
    for number in range(5_000):
        outbox.after(partial(told.append, str(number)))
    outbox.pump(client, 1)
    client.acknowledge(1)
    outbox.settle()
    assert told == ["first", *map(str, range(5_000))]
