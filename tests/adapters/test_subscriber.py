"""The runner of subscribers: what arrives goes to the log, in order, and is acknowledged when it stands there."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.adapters import subscriber
from streamforge.adapters.base import (
    AdapterConfig,
    Batch,
    Device,
    Inbox,
    Refused,
    ReportRule,
    SignalRule,
    Subscriber,
    silence,
)
from streamforge.adapters.epochs import Epochs
from streamforge.adapters.link import Link
from streamforge.adapters.outbox import Outbox
from streamforge.adapters.subscriber import SubscriberComponent
from streamforge.bus.connection import Connection
from streamforge.codec import decode
from streamforge.errors import NotConnected, Rejected
from streamforge.health import State
from streamforge.model import Alarm, AlarmState, DeadLetter, Event, Quality, ReadingBatch, Severity, names
from streamforge.progress import Headers, Partition

NAMES = names(("level", "door"), ("mm", ""), b"\x00\x02")
TANK = Device(
    key="tank",
    asset_id="tank",
    interval_seconds=0.0,
    names=NAMES,
    rules=(ReportRule(deadband=5.0), ReportRule(deadband=0.0)),
    signals=(None, SignalRule(severity=Severity.LOW)),
    silence_seconds=0.3,
    peer="radio",
)
NOWHERE = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")
Act = Callable[[Inbox], None]


class Radio(Subscriber[AdapterConfig]):
    """A peer that does what the test tells it."""

    Config = AdapterConfig

    def __init__(self) -> None:
        super().__init__(AdapterConfig())
        self.script: list[Act | Batch | Exception] = []
        self.connected = 0
        self.put = 0
        self.remark: list[str] = []

    @property
    def peers(self) -> Sequence[str]:
        return ("radio",)

    def rules_of(self, asset_id: str, parameter: str) -> tuple[ReportRule, SignalRule | None] | None:
        return (ReportRule(deadband=0.0), SignalRule()) if asset_id == "ruled" and parameter == "door" else None

    def remarks(self) -> Sequence[str]:
        return self.remark

    def details(self) -> dict[str, object]:
        return {"frequency": 868}

    @property
    def devices(self) -> Sequence[Device]:
        return (TANK,)

    async def connect(self, peer: str) -> None:
        self.connected += 1

    async def listen(self, peer: str, inbox: Inbox) -> None:
        while True:
            await asyncio.sleep(0.005)
            if not self.script:
                continue
            step = self.script.pop(0)
            if isinstance(step, Batch):
                await inbox.put(step)
                self.put += 1
            elif isinstance(step, Exception):
                raise step
            else:
                step(inbox)

    async def close(self) -> None:
        pass

    def figures(self) -> Mapping[tuple[str, ...], float]:
        return {("tank", "rssi_dbm"): -70.0}


class Log(Link):
    """A log in memory that acknowledges when told to."""

    is_away = False
    most_bytes = 10_000

    def __init__(self) -> None:
        super().__init__(NOWHERE, "line", ())
        self.records: list[tuple[str, object]] = []
        self.acks: list[Callable[[int], None]] = []

    @property
    def is_connected(self) -> bool:
        return True

    @property
    def is_outdated(self) -> bool:
        return False

    def pump(self, outbox: Outbox) -> None:
        if not self.is_away:
            outbox.pump(self, 1)

    def send(self, place: Partition, _key: bytes, value: bytes, _headers: Headers, ack: Callable[[int], None]) -> None:
        if len(value) > self.most_bytes:
            raise Rejected((0,), "too large")
        self.records.append((place.topic, decode(value)))
        self.acks.append(ack)

    def acknowledge(self) -> None:
        acks, self.acks = self.acks, []
        for ack in acks:
            ack(0)

    @property
    def batches(self) -> list[ReadingBatch]:
        return [record for _, record in self.records if isinstance(record, ReadingBatch)]


class Bench:
    """The component on that radio and that log."""

    def __init__(self, state: Path) -> None:
        Epochs(state, "line").begin()
        self.radio, self.log = Radio(), Log()
        self.unit = SubscriberComponent(self.radio, "radio", "line", connection=NOWHERE, state_directory=state)
        self.unit._link = self.log
        self.unit.open()

    @property
    def signals(self) -> list[Event | Alarm]:
        return [record for _, record in self.log.records if isinstance(record, Event | Alarm)]

    def until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(100):
            if is_so():
                return
            self.unit.step(threading.Event())
        pytest.fail("did not happen")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.unit.close()


def batch(level: float, door: float = 0.0, done: Callable[[], None] = lambda: None, asset_id: str = "tank") -> Batch:
    return Batch(asset_id=asset_id, names=NAMES, values=(level, door), done=done)


def test_what_arrives_is_done_when_the_log_has_it_in_the_order_in_which_it_came(bench: Bench) -> None:
    happened: list[int] = []
    # The second is not worth a record, and must wait for the first all the same.
    bench.radio.script = [
        batch(10.0, done=lambda: happened.append(1)),
        batch(11.0, done=lambda: happened.append(2)),
        batch(20.0, done=lambda: happened.append(3)),
    ]
    bench.until(lambda: bench.radio.put == 3)
    assert [one.values[0] for one in bench.log.batches] == [10.0, 20.0]
    assert happened == []
    bench.log.acknowledge()
    bench.until(lambda: len(happened) == 3)
    assert happened == [1, 2, 3]


def test_an_acknowledgement_is_passed_on_at_once_not_with_the_next_slice(bench: Bench) -> None:
    happened: list[str] = []
    bench.radio.script = [batch(10.0, done=lambda: happened.append("done"))]
    bench.until(lambda: bool(bench.log.acks))
    bench.log.acknowledge()
    bench.unit._loop.run_until_complete(asyncio.sleep(0.01))
    assert happened == ["done"]


def test_a_peer_that_can_wait_is_made_to_wait_while_the_log_lags_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "MOST_WAITING_BYTES", 300)
    monkeypatch.setattr(subscriber, "LOOK_SECONDS", 0.05)
    bench.radio.script = [batch(float(level * 10)) for level in range(50)]
    for _ in range(4):
        bench.unit.step(threading.Event())
    held = bench.radio.put
    assert 0 < held < 10
    while bench.radio.put < 50:
        bench.log.acknowledge()
        bench.unit.step(threading.Event())
    assert [one.values[0] for one in bench.log.batches] == [float(level * 10) for level in range(50)]


def test_what_cannot_be_read_is_a_dead_letter_with_its_bytes(bench: Bench) -> None:
    refused = Refused(where="plant/pump", payload=b"\xff\x00", reason="no number", asset_id="pump")
    bench.radio.script = [lambda inbox: inbox.refuse(refused), lambda inbox: inbox.refuse(refused)]
    bench.until(lambda: len(bench.log.records) == 2)
    (first_topic, first), (_, second) = bench.log.records
    assert isinstance(first, DeadLetter)
    assert isinstance(second, DeadLetter)
    assert (first_topic, first.topic, first.payload, first.reason) == (
        "dlq.telemetry", "radio:plant/pump", b"\xff\x00", "no number"
    )  # fmt: skip
    assert second.offset == first.offset + 1, "each has a place of its own"


def test_events_come_of_rows_and_of_the_peer_itself(bench: Bench) -> None:
    alarm = Alarm(
        alarm_id="7",
        asset_id="tank",
        type="leak",
        severity=Severity.HIGH,
        state=AlarmState.UNACKNOWLEDGED,
        raised_at_us=1,
    )
    bench.radio.script = [batch(10.0), batch(10.0, 1.0), lambda inbox: inbox.signal(alarm)]
    bench.until(lambda: len(bench.log.records) == 4)
    topics = [topic for topic, _ in bench.log.records]
    assert sorted(topics) == ["alarms.raw", "events.raw", "telemetry.raw", "telemetry.raw"]
    (event,) = [record for _, record in bench.log.records if isinstance(record, Event)]
    assert (event.message, event.severity) == ("door: 0 -> 1", Severity.LOW)


def test_a_device_that_falls_silent_is_bad_once_and_good_again_when_it_is_heard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "streamforge")
    monkeypatch.setattr(subscriber, "LOOK_SECONDS", 0.05)
    bench.radio.script = [batch(10.0)]
    bench.until(lambda: len(bench.log.batches) == 2)
    assert [bench.log.batches[1].quality(index) for index in range(2)] == [Quality.BAD] * 2
    assert set(bench.log.batches[1].reasons.values()) == {"no_signal"}
    assert bench.unit.health().state is State.DEGRADED
    for _ in range(3):
        bench.unit.step(threading.Event())
    assert len(bench.log.batches) == 2
    bench.radio.script = [batch(10.0)]
    bench.until(lambda: len(bench.log.batches) == 3)
    assert bench.log.batches[2].quality(0) is Quality.GOOD, "the value is the same, the quality is news"
    assert [record.getMessage() for record in caplog.records] == ["device_away", "device_back"]


def test_a_lost_peer_is_connected_again_and_its_devices_are_bad_meanwhile(bench: Bench) -> None:
    bench.radio.script = [batch(10.0), NotConnected("radio: unplugged"), batch(12.0)]
    bench.until(lambda: len(bench.log.batches) == 3)
    assert bench.radio.connected == 2
    assert [one.quality(0) for one in bench.log.batches] == [Quality.GOOD, Quality.BAD, Quality.GOOD]
    assert bench.log.batches[1].reasons[0] == "radio: unplugged"


def test_assets_that_turn_up_by_themselves_are_listed(bench: Bench) -> None:
    bench.radio.script = [batch(1.0, asset_id="other")]
    bench.until(lambda: bool(bench.log.batches))
    devices = bench.unit.health().details["devices"]
    assert [(one["asset_id"], one["state"]) for one in devices] == [("tank", "CONNECTING"), ("other", "ONLINE")]
    assert bench.unit.status().startswith("1 of 2 devices send")


def test_a_device_that_sends_has_its_requests_errors_by_kind_and_last_success(bench: Bench) -> None:
    bench.radio.script = [
        batch(1.0),
        silence("tank", NAMES, "BadOutOfService"),
        silence("other", NAMES, "no_signal: 5 s"),
    ]
    bench.until(lambda: bench.radio.put == 3)
    lines = bench.unit.metrics.text().decode().splitlines()
    assert 'streamforge_device_requests_total{device="tank"} 2.0' in lines
    assert 'streamforge_device_errors_total{device="tank",kind="BadOutOfService"} 1.0' in lines
    assert 'streamforge_device_errors_total{device="other",kind="no_signal"} 1.0' in lines
    tank, other = bench.unit.health().details["devices"]
    assert (tank["state"], tank["last_error"]) == ("ONLINE", "BadOutOfService")
    assert tank["last_success_us"] > other["last_success_us"] == 0, "what is BAD is no success"


def test_rules_of_assets_that_turn_up_are_the_adapters(bench: Bench) -> None:
    bench.radio.script = [batch(1.0, door, asset_id=asset) for asset in ("ruled", "other") for door in (0.0, 0.0, 1.0)]
    bench.until(lambda: bench.radio.put == 6)
    reported = [(one.source.asset_id, one.names.parameters) for one in bench.log.batches]
    assert reported == [
        ("ruled", ("level", "door")), ("ruled", ("level",)), ("ruled", ("level", "door")),
        *[("other", ("level", "door"))] * 3,
    ]  # fmt: skip
    assert [record.message for record in bench.signals] == ["door: 0 -> 1"]


def test_a_reading_that_makes_an_event_is_done_when_the_log_has_both(bench: Bench) -> None:
    """Whoever sent it does not send it again after that."""
    happened: list[str] = []
    bench.radio.script = [batch(10.0), batch(20.0, 1.0, done=lambda: happened.append("done"))]
    bench.until(lambda: len(bench.log.records) == 3)
    for (topic, _), ack in zip(bench.log.records, bench.log.acks, strict=True):
        if topic == "telemetry.raw":
            ack(0)
    bench.unit.step(threading.Event())
    assert happened == []
    bench.log.acknowledge()
    bench.until(lambda: happened == ["done"])


def test_what_a_source_tells_afterwards_is_reported_whole_and_makes_no_event(bench: Bench) -> None:
    past = [replace(batch(10.0, door), is_history=True) for door in (0.0, 1.0, 1.0)]
    bench.radio.script = [batch(10.0), *past, batch(10.0)]
    bench.until(lambda: bench.radio.put == 5)
    assert len(bench.log.batches) == 4, "the last is no change"
    assert bench.signals == []


def test_what_the_adapter_remarks_is_said_and_degrades_the_unit(bench: Bench) -> None:
    bench.radio.script = [batch(10.0)]
    bench.until(lambda: bool(bench.log.batches))
    assert bench.radio.state_directory is not None
    assert bench.unit.health().state is State.HEALTHY
    assert bench.unit.health().details["source"] == {"frequency": 868}
    bench.radio.remark = ["the antenna is wet"]
    assert bench.unit.health().state is State.DEGRADED
    assert bench.unit.status().endswith("the antenna is wet")


def test_a_silent_device_whose_parameters_nobody_knows_is_said_and_makes_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(TANK, names=names((), (), b""), rules=(), signals=())
    monkeypatch.setattr(Radio, "devices", (bare,))
    monkeypatch.setattr(subscriber, "LOOK_SECONDS", 0.05)
    bench = Bench(tmp_path)
    bench.until(lambda: bench.unit.health().details["devices"][0]["last_error"] == "no_signal")
    assert bench.log.records == []
    bench.unit.close()


def test_what_the_protocol_counts_is_a_metric(bench: Bench) -> None:
    assert b'streamforge_protocol{asset_id="tank",name="rssi_dbm"} -70.0' in bench.unit.metrics.text()


def test_an_adapter_is_told_its_name_and_where_it_may_keep_files(bench: Bench, tmp_path: Path) -> None:
    assert (bench.radio.adapter_id, bench.radio.state_directory) == ("line", tmp_path)


def test_what_no_peer_gives_stands_in_the_status_and_the_unit_is_degraded(bench: Bench) -> None:
    bench.radio.script = [batch(10.0)]
    bench.until(lambda: bool(bench.log.batches))
    bench.log.acknowledge()
    assert "level: no such node" not in bench.unit.status()
    bench.radio.remark = ["level: no such node"]
    assert bench.unit.status() == "1 of 1 devices send; level: no such node"
    assert bench.unit.health().state is State.DEGRADED
