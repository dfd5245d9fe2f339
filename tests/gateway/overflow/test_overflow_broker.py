"""The controller beside a real broker with a small budget: what goes, what stays, what is said, when producers wait."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamforge import pressure
from streamforge.bus.admin import Admin, TopicSpec
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.gateway.overflow.controller import Overflow, Places
from streamforge.gateway.topics import MEBIBYTE
from streamforge.health import HealthServer, State
from streamforge.model import Alarm, AlarmState, Event
from streamforge.progress import Partition, Position, Progress
from tests.broker import new_broker
from tests.chain import checker
from tests.gateway.overflow.staged import asked

pytestmark = pytest.mark.broker
FILLED = ("telemetry.raw", "telemetry.clean", "telemetry.1min", "alarms.clean", "dlq.telemetry")
RECORD = bytes(128 * 1024)
PATIENCE_SECONDS = 60.0


class Bench:
    """One controller over one broker; the budget is set against what the log takes."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = directory
        self.budget_bytes = 10**12
        self.run, self.state = directory / "run", directory / "state"
        for path in (self.run, self.state, directory / "kafka"):
            path.mkdir()
        self.broker = new_broker(directory / "kafka", set_up_topics=True)
        self.broker.start()
        for name, value in self.broker.environment("overflow").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("STREAMFORGE_RUN", str(self.run))
        monkeypatch.setenv("STATE_DIRECTORY", str(self.state))
        with Admin(self.broker.connection("admin")) as admin:
            config = {"segment.bytes": str(MEBIBYTE), "retention.bytes": "-1"}
            admin.ensure_topics([TopicSpec(name=topic, partitions=1, config=config) for topic in FILLED])
        self.servers: dict[str, HealthServer] = {}
        self.reads("validator", "telemetry.raw")
        self.reads("aggregator", "telemetry.clean")
        self.overflow = self.controller()

    def reads(self, name: str, topic: str, hold_offset: int = 10**9) -> None:
        """A transform that says it needs nothing before this offset."""
        stage = {"input": topic, "partition": 0, "hold_offset": hold_offset, "incarnation": 1}
        self.say(f"streamforge-transform-{name}", {"kind": "transform", "stages": [stage]})

    def say(self, unit: str, details: dict[str, Any]) -> None:
        """A unit that answers with these details."""
        self.servers[unit] = HealthServer(asked(unit, details), self.run)
        self.servers[unit].start()

    def stop(self) -> None:
        """End all."""
        self.overflow.close()
        self.broker.stop()
        for server in self.servers.values():
            server.stop()

    def controller(self) -> Overflow:
        """A controller that has just been started."""
        where = Places(
            root=self.root,
            runtime=self.run,
            configuration=self.root,
            state=self.state,
            budget_bytes=lambda: self.budget_bytes,
        )
        return Overflow(where, age_seconds=3600.0)

    def fill(self, topic: str, mebibytes: int) -> None:
        """Append records that do not compress."""
        producer = Producer(self.broker.connection("admin"), (topic,), compression=None)
        for _ in range(mebibytes * MEBIBYTE // len(RECORD)):
            producer.send(Partition(topic), b"pump_1", RECORD, (), lambda _offset: None)
        assert producer.flush(30)
        producer.close()

    def starts(self) -> dict[str, int]:
        """Where each filled topic begins."""
        reader = Reader(self.broker.connection("admin"))
        try:
            return {place.topic: at for place, at in reader.starts([Partition(topic) for topic in FILLED]).items()}
        finally:
            reader.close()

    def log_bytes(self) -> int:
        """What the log takes, as the controller sees it."""
        return int(self.overflow.health().details["log_used_bytes"])

    def step_until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Let the controller work until something is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, f"waited for {what}: {self.overflow.status()}"
            self.overflow.step(threading.Event())

    def settle(self, percent: float) -> None:
        """Let the log take so many per cent of its budget, as of the files that are there now."""
        self.budget_bytes = 10**12
        self.step_until("a look", lambda: self.log_bytes() > 0 and not self.tier())
        self.budget_bytes = round(self.log_bytes() * 100 / percent)

    def tier(self) -> int:
        """The tier as it stands in the pressure file."""
        told = pressure.read(self.run)
        return told.tier if told else -1

    def events(self) -> list[Event]:
        """The events of evictions on the log, oldest first."""
        found = checker.records(self.broker.connection("admin"), "events.clean")
        return [one for one in found if isinstance(one, Event)]

    def alarms(self) -> list[Alarm]:
        """The alarms on the log, oldest first."""
        found = checker.records(self.broker.connection("admin"), "alarms.raw")
        return [one for one in found if isinstance(one, Alarm)]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.stop()


def test_at_70_it_says_so_and_nothing_goes(bench: Bench) -> None:
    bench.fill("telemetry.raw", 6)
    bench.settle(75)
    bench.step_until("the tier", lambda: bench.tier() == 70)
    health = bench.overflow.health()
    assert (health.state, health.details["tier"]) == (State.DEGRADED, "alert")
    assert set(bench.starts().values()) == {0}
    assert bench.events() == []


def test_at_80_raw_goes_that_is_old_and_nothing_younger(bench: Bench) -> None:
    bench.fill("telemetry.raw", 6)
    bench.fill("telemetry.clean", 4)
    bench.settle(85)
    bench.step_until("the tier", lambda: bench.tier() == 80)
    assert set(bench.starts().values()) == {0}
    bench.overflow._age_seconds = 1.0
    bench.step_until("the deletion", lambda: bench.starts()["telemetry.raw"] > 0)
    starts = bench.starts()
    assert starts["telemetry.raw"] >= 40
    assert starts["telemetry.clean"] == 0


def test_at_90_the_lowest_priority_goes_first_and_is_said_first(bench: Bench) -> None:
    for topic in FILLED:
        bench.fill(topic, 4)
    bench.settle(92)
    bench.step_until("the eviction", lambda: bench.overflow.health().details["evicted_records"] != {})
    bench.step_until("room", lambda: bench.tier() < 90)
    starts = bench.starts()
    assert starts.pop("telemetry.raw") > 0
    assert set(starts.values()) == {0}
    (event,) = bench.events()
    assert event.type == "buffer_overflow"
    assert event.details["topic"] == "telemetry.raw"
    assert int(event.details["records"]) == bench.starts()["telemetry.raw"]
    assert (event.details["oldest_offset"], event.details["undelivered"]) == ("0", "0")
    assert 0 < int(event.details["oldest_time_us"]) <= int(event.details["newest_time_us"])
    text = bench.overflow.metrics.text().decode()
    assert f'streamforge_evicted_records_total{{topic="telemetry.raw"}} {event.details["records"]}.0' in text


def test_at_95_telemetry_waits_until_there_is_room_and_alarms_are_never_touched(bench: Bench) -> None:
    bench.fill("alarms.clean", 6)
    bench.fill("dlq.telemetry", 3)
    bench.settle(98)
    bench.step_until("the alarm", lambda: bench.alarms() != [])
    told = pressure.read(bench.run)
    assert told is not None
    assert (told.tier, told.is_gated) == (95, True)
    assert bench.overflow.health().state is State.UNHEALTHY
    assert pressure.Gate(bench.run).reason
    assert bench.starts()["alarms.clean"] == bench.starts()["dlq.telemetry"] == 0
    bench.budget_bytes *= 2
    bench.step_until("the end of the alarm", lambda: len(bench.alarms()) == 2)
    assert not pressure.Gate(bench.run).reason
    raised, cleared = bench.alarms()
    assert (raised.type, raised.alarm_id) == ("disk_full", cleared.alarm_id)
    assert (raised.state, cleared.state) == (AlarmState.UNACKNOWLEDGED, AlarmState.CLEARED)


def test_what_a_sink_has_not_delivered_stays_while_something_else_can_go(bench: Bench) -> None:
    for topic in ("telemetry.raw", "telemetry.clean", "telemetry.1min"):
        bench.fill(topic, 4)
    behind = Progress(positions={Partition("telemetry.clean"): Position(next_offset=0)})
    details = {"kind": "sink", "topics": ["telemetry.clean"], "progress": behind.to_json()}
    (bench.root / "sinks/file").mkdir(parents=True)
    (bench.root / "sinks/file/slow.toml").touch()
    bench.say("streamforge-sink-file@slow", details)
    bench.settle(92)
    bench.step_until("the question", lambda: bench.tier() == 90)
    bench.servers["streamforge-sink-file@slow"].stop()  # it is silent now, and what it said last counts
    bench.budget_bytes = bench.log_bytes() // 2
    bench.step_until("what others have", lambda: bench.starts()["telemetry.1min"] > 0)
    bench.step_until("room", lambda: bench.tier() < 90)
    assert bench.starts()["telemetry.clean"] == 0
    bench.budget_bytes = bench.log_bytes() // 2
    bench.step_until("the last resort", lambda: bench.starts()["telemetry.clean"] > 0)
    by_topic = {event.details["topic"]: event for event in bench.events()}
    assert by_topic["telemetry.1min"].details["undelivered"] == "0"
    assert by_topic["telemetry.clean"].details["undelivered"] == by_topic["telemetry.clean"].details["records"]
    assert by_topic["telemetry.clean"].details["undelivered_to"].startswith("sink-file@slow=")


def test_what_the_validator_has_not_read_is_not_downsampled_away(bench: Bench) -> None:
    bench.servers["streamforge-transform-validator"].stop()
    bench.reads("validator", "telemetry.raw", hold_offset=17)
    bench.overflow._age_seconds = 0.0
    bench.fill("telemetry.raw", 6)
    bench.settle(85)
    bench.step_until("the deletion", lambda: bench.starts()["telemetry.raw"] > 0)
    assert 0 < bench.starts()["telemetry.raw"] <= 17
