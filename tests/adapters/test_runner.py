"""The runner of pollers: it comes to an end whatever the library below an adapter does with a cancellation."""

import asyncio
import errno
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge import pressure
from streamforge.adapters.base import AdapterConfig, Batch, Device, Poller
from streamforge.adapters.epochs import EpochCount, Epochs
from streamforge.adapters.link import Link
from streamforge.adapters.outbox import Outbox
from streamforge.adapters.poller import PollerComponent
from streamforge.bus.connection import Connection
from streamforge.health import State
from streamforge.model import DeadLetter, names
from streamforge.pressure import Gate, Pressure
from streamforge.progress import Headers, Partition

DEVICE = Device(key="pump", asset_id="pump", interval_seconds=0.0, names=names(("speed",), ("rpm",), b"\x00"))


class AnswersWhenCancelled(Poller[AdapterConfig]):
    """Each scan waits for its answer, which comes with the cancellation: `wait_for` of Python 3.11 drops that one."""

    Config = AdapterConfig
    scans = 0

    @property
    def devices(self) -> Sequence[Device]:
        return (DEVICE,)

    async def connect(self, device: Device) -> None:
        pass

    async def poll(self, device: Device) -> Batch:
        self.scans += 1
        if self.scans < 3:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60.0)
        else:
            await asyncio.sleep(60.0)
        return Batch(asset_id="pump", names=DEVICE.names, values=(1.0,))

    async def close(self) -> None:
        pass


@pytest.mark.timeout(20)
def test_a_stop_that_comes_with_an_answer_still_ends_the_unit(tmp_path: Path) -> None:
    Epochs(tmp_path, "line").begin()
    nowhere = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")
    adapter = AnswersWhenCancelled(AdapterConfig())
    component = PollerComponent(adapter, "test", "line", connection=nowhere, state_directory=tmp_path)
    component.open()
    while not adapter.scans:
        component.step(threading.Event())
    component.drain(time.monotonic() + 5.0)
    component.close()
    assert adapter.scans == 3


class Quick(Poller[AdapterConfig]):
    """A device that always answers at once."""

    Config = AdapterConfig

    @property
    def devices(self) -> Sequence[Device]:
        return (replace(DEVICE, interval_seconds=0.05),)

    async def connect(self, device: Device) -> None:
        pass

    async def poll(self, device: Device) -> Batch:
        return Batch(asset_id="pump", names=DEVICE.names, values=(1.0,))

    async def close(self) -> None:
        pass


class Taken(Link):
    """A log that is there, acknowledges at once and takes note of what it was handed."""

    def __init__(self) -> None:
        self.topics: Counter[str] = Counter()
        super().__init__(Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x"), "line", ())

    @property
    def is_connected(self) -> bool:
        return True

    @property
    def is_outdated(self) -> bool:
        return False

    def pump(self, outbox: Outbox) -> None:
        outbox.pump(self, 1)

    def send(self, place: Partition, _key: bytes, _value: bytes, _headers: Headers, ack: Callable[[int], None]) -> None:
        self.topics[place.topic] += 1
        ack(0)


@pytest.mark.timeout(20)
def test_while_the_disk_is_full_readings_wait_in_memory(tmp_path: Path) -> None:
    Epochs(tmp_path, "line").begin()
    nowhere = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")
    component = PollerComponent(Quick(AdapterConfig()), "test", "line", connection=nowhere, state_directory=tmp_path)
    component._link = link = Taken()
    component._gate = Gate(tmp_path)
    full = Pressure(tier=95, is_gated=True, used_percent=96.0, monotonic_ns=time.monotonic_ns())
    pressure.write(tmp_path, full)
    component.open()
    try:
        for _ in range(4):
            component.step(threading.Event())
        assert component._outbox is not None
        component._outbox.put_signal(letter(1), "pump")
        component.step(threading.Event())
        assert link.topics == {"dlq.telemetry": 1}, "nothing else waits"
        assert component.health().details["is_gated"]
        assert float(component.health().details["waiting_bytes"]) > 0
        assert component.status() == "1 of 1 devices answer; readings wait in memory: the disk is 96 % full"
        assert component.health().state is State.DEGRADED
        pressure.write(tmp_path, replace(full, is_gated=False))
        for _ in range(2):
            component.step(threading.Event())
        assert link.topics["telemetry.raw"] > 0
        pressure.write(tmp_path, replace(full, monotonic_ns=time.monotonic_ns()))
        time.sleep(0.3)
        component._outbox.put_signal(letter(2), "pump")
        began = time.monotonic()
        component.drain(began + 5.0)
        assert time.monotonic() - began < 3.0
        assert link.topics["dlq.telemetry"] == 2
    finally:
        component.close()


@pytest.mark.timeout(20)
def test_alarms_events_and_dead_letters_that_had_no_room_are_told(tmp_path: Path) -> None:
    Epochs(tmp_path, "line").begin()
    nowhere = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")
    component = PollerComponent(Quick(AdapterConfig()), "test", "line", connection=nowhere, state_directory=tmp_path)
    component.open()
    try:
        assert b'streamforge_signals_dropped_total{topic="alarms.raw"} 0.0' in component.metrics.text()
        assert "lost" not in component.status()
        component._outbox = small = Outbox(component._source, 1, most_bytes=100)
        for number in range(3):
            small.put_signal(letter(number), "pump")
        component.step(threading.Event())
        assert b'streamforge_signals_dropped_total{topic="dlq.telemetry"} 3.0' in component.metrics.text()
        assert component.status().endswith("lost since the start, there was no room: 3 of dlq.telemetry")
    finally:
        component.close()


class Refusing(Epochs):
    """A state directory on a disk that was full, or read-only, from when the unit had begun."""

    def _save(self, current: EpochCount | None) -> None:
        if self.current is not None:
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._save(current)


@pytest.mark.timeout(20)
def test_a_disk_that_takes_no_counts_does_not_keep_readings_from_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")
    component = PollerComponent(Quick(AdapterConfig()), "test", "line", connection=nowhere, state_directory=tmp_path)
    component._link = link = Taken()
    link.incarnation = lambda: 2  # type: ignore[method-assign] # the log was started anew
    component._epochs = Refusing(tmp_path, "line")
    component._epochs.closed = [EpochCount(epoch=3, read=5)]
    component.open()
    try:
        component._meet_log({}, {})
        component._meet_log({3: {1: 9}}, {})
        assert [record.getMessage() for record in caplog.records].count("count_not_saved") == 1
        assert b'streamforge_errors_total{stage="state",type="disk"} 2.0' in component.metrics.text()
    finally:
        component.close()


def letter(number: int) -> DeadLetter:
    return DeadLetter(topic="test:pump", partition=0, offset=number, time_us=1, reason="odd", payload=bytes(100))


class Slow(Quick):
    """A device that takes more than twice its interval."""

    async def poll(self, device: Device) -> Batch:
        await asyncio.sleep(2.5 * device.interval_seconds)
        return await super().poll(device)


@pytest.mark.timeout(20)
def test_scans_that_a_slow_device_leaves_no_time_for_are_left_out_and_counted(tmp_path: Path) -> None:
    Epochs(tmp_path, "line").begin()
    nowhere = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")
    component = PollerComponent(Slow(AdapterConfig()), "test", "line", connection=nowhere, state_directory=tmp_path)
    component.open()
    try:
        assert b'streamforge_poll_overruns_total{device="pump"} 0.0' in component.metrics.text()
        for _ in range(3):
            component.step(threading.Event())
        (line,) = [one for one in component.metrics.text().splitlines() if one.startswith(b"streamforge_poll_overruns")]
        assert float(line.split()[-1]) >= 2
    finally:
        component.close()
