"""One controller beside a real broker: filled, looked at, and judged by what the log holds."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from streamforge import pressure
from streamforge.bus.admin import Admin, TopicSpec
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.gateway.overflow.ahead import Budget
from streamforge.gateway.overflow.controller import Overflow, Places
from streamforge.gateway.topic_setup import set_up
from streamforge.gateway.topics import MEBIBYTE, smallest_budget_bytes
from streamforge.health import HealthServer
from streamforge.model import Alarm, Event
from streamforge.progress import Partition, Position, Progress
from tests.broker import new_broker
from tests.chain import checker
from tests.faults.barrier import barrier
from tests.gateway.overflow.staged import asked

FILLED = ("telemetry.raw", "telemetry.clean", "telemetry.1min", "alarms.clean", "dlq.telemetry")
SINK = "streamforge-sink-file@slow"
RECORD = bytes(128 * 1024)
PATIENCE_SECONDS = 60.0


class Bench:
    """One controller over one broker; the budget is set against what the log takes."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, *, has_table: bool = False) -> None:
        """With `has_table` the topics are as shipped for the smallest budget, else a few have small segments."""
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
        # What the helper process says waits for the disk.
        self.open = ExitStack()
        self.open.enter_context(barrier(directory, self.run))
        with Admin(self.broker.connection("admin")) as admin:
            if has_table:
                self.budget_bytes = smallest_budget_bytes(1)
                set_up(admin, credentials={}, budget_bytes=self.budget_bytes)
            else:
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

    def sink(self, **needs: int) -> None:
        """The one sink says from which offset on it needs topics (telemetry_clean=17)."""
        places = {Partition(topic.replace("_", ".")): Position(next_offset=at) for topic, at in needs.items()}
        details = {
            "kind": "sink",
            "topics": [place.topic for place in places],
            "progress": Progress(positions=places).to_json(),
        }
        self.hush(SINK)
        self.say(SINK, details)

    def hush(self, unit: str) -> None:
        """This unit does not answer any more."""
        if (server := self.servers.pop(unit, None)) is not None:
            server.stop()

    def say(self, unit: str, details: dict[str, Any]) -> None:
        """A unit that answers with these details."""
        self.servers[unit] = HealthServer(asked(unit, details), self.run)
        self.servers[unit].start()

    def stop(self) -> None:
        """End all."""
        self.overflow.close()
        self.open.close()
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
            budget=lambda: Budget(size_bytes=self.budget_bytes),
        )
        return Overflow(where, age_seconds=3600.0)

    def renew(self) -> None:
        """Another controller takes over, as after a restart of the unit."""
        self.overflow.close()
        self.overflow = self.controller()

    def fill(self, topic: str, mebibytes: int) -> None:
        """Append records that do not compress."""
        producer = Producer(self.broker.connection("admin"), (topic,), compression=None)
        for _ in range(mebibytes * MEBIBYTE // len(RECORD)):
            producer.send(Partition(topic), b"pump_1", RECORD, (), lambda _offset: None)
        assert producer.flush(30)
        producer.close()

    def starts(self, *topics: str) -> dict[str, int]:
        """Where topics begin; without names all that are filled."""
        wanted = [Partition(topic) for topic in topics or FILLED]
        reader = Reader(self.broker.connection("admin"))
        try:
            return {place.topic: at for place, at in reader.starts(wanted).items()}
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

    def step_nothing_until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Let only the broker work until something is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, f"waited for {what}"
            time.sleep(0.2)

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
