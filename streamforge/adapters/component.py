"""Runs an adapter as a unit: one event loop, the outbox, the way to the log, counts and health.

How readings come about is for `poller` and `subscriber`; the adapter itself never loops or waits.
"""

import asyncio
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Container, Coroutine, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamforge import __version__
from streamforge.adapters.base import Adapter, AdapterConfig
from streamforge.adapters.epochs import EpochCount, Epochs
from streamforge.adapters.link import Link, Tail, correct_closed
from streamforge.adapters.outbox import TELEMETRY, TOPIC_OF, Outbox
from streamforge.adapters.signal_file import SignalFile
from streamforge.bus.connection import Connection
from streamforge.clock import ClockQuality
from streamforge.errors import Fatal, NotConnected
from streamforge.health import Health, State
from streamforge.logs import Log
from streamforge.metrics import Metrics
from streamforge.model import Alarm, Event, ReadingBatch, Source
from streamforge.pressure import Gate

_log = Log("adapter")
SLICE_SECONDS = 0.25
NOTE_SECONDS = 10.0
SILENCE_SECONDS = 5.0
CANCEL_SECONDS = 0.1


class AdapterComponent(ABC):
    """One adapter. Work happens in slices of its event loop, so that a step is bounded."""

    def __init__(
        self,
        adapter: Adapter[AdapterConfig],
        kind: str,
        instance: str,
        *,
        connection: Connection,
        state_directory: Path,
    ) -> None:
        self._closing = adapter
        self._kind = kind
        self._adapter_id = adapter.config.adapter_id or instance
        adapter.place(self._adapter_id, state_directory)
        self._source = Source(
            asset_id="",
            adapter_id=self._adapter_id,
            adapter_version=__version__,
            pipeline_id=adapter.config.pipeline_id,
            hostname=os.uname().nodename,
        )
        self._epochs = Epochs(state_directory, self._adapter_id)
        self._link = Link(connection, self._adapter_id, tuple(topic.value for topic in adapter.topics))
        self._signal_file = SignalFile(state_directory)
        self._signals = self._signal_file.load(self._adapter_id)
        self._clock = ClockQuality()
        self._gate = Gate()
        self._outbox: Outbox | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._dropped_said = 0
        self._are_signals_said = False
        self._is_disk_said = False
        self._has_met_log = False
        self._acknowledged_at = time.monotonic()
        self.metrics = Metrics()
        self.metrics.gauge("waiting_bytes", "Encoded bytes that the log has not acknowledged", self._waiting_bytes)
        self.metrics.gauges("protocol", "What the protocol counts or measures", ("asset_id", "name"), adapter.figures)
        text = "Alarms, events and dead letters that were let go: no room in memory, or too large for the log"
        self.metrics.counters("signals_dropped_total", text, ("topic",), self._dropped_signals)

    @abstractmethod
    def _begin_work(self, outbox: Outbox) -> None:
        """The epoch is known: start the tasks that fill the outbox."""

    def _wake(self) -> None:  # noqa: B027 - most have time until the next slice
        """In a thread of the client's: something was acknowledged."""

    def _see(self, record: ReadingBatch) -> None:  # noqa: B027 - most need no more than its number
        """In a worker thread: a record of this adapter's that stands on the log."""

    @abstractmethod
    def _are_devices_well(self) -> bool:
        """Whether every device gives what the configuration asks for."""

    @abstractmethod
    def _device_lines(self) -> list[str]:
        """What to say of the devices: how many answer, and what is waited for."""

    @abstractmethod
    def _device_details(self) -> list[dict[str, object]]:
        """One entry a device, for the page."""

    def open(self) -> None:
        """Make the loop and the tasks; peers and broker may be away."""
        self._loop = asyncio.new_event_loop()
        self._last_noted = time.monotonic()
        if self._epochs.is_known:
            self._begin(self._epochs.begin())
        self._start(self._keep_link())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until the unit stops; what it raises ends the unit."""
        self._tasks.append(self._loop.create_task(work))

    def _begin(self, epoch: int) -> None:
        self._outbox = Outbox(self._source, epoch, wake=self._wake)
        if self._signal_file.is_forgotten and epoch > 1:
            self._signals.forgot(epoch)
        self._begin_work(self._outbox)

    def step(self, stop: threading.Event) -> None:
        """One slice of the event loop. Raises what a task could not handle."""
        self._loop.run_until_complete(self._slice(stop))
        self.metrics.connected.set(float(self._is_well()))
        for task in self._tasks:
            if task.done():
                task.result()
        if self._outbox is not None and time.monotonic() - self._last_noted >= NOTE_SECONDS:
            self._note_count(self._outbox)

    def _signal_done(self, signal: Event | Alarm) -> None:
        """The log has a signal that readings made."""
        self._signals.acknowledged(signal)
        self._signal_file.due()

    def _note_count(self, outbox: Outbox, *, is_last: bool = False) -> None:
        """On disk, for the ledger; a disk that does not take it ends nothing, the log corrects the count."""
        self._last_noted = time.monotonic()
        try:
            if is_last:
                self._epochs.end(outbox.read, outbox.dropped)
            else:
                self._epochs.count(outbox.read, outbox.dropped, outbox.numbered)
            self._is_disk_said = False
        except OSError as error:
            self._disk_refuses(error)

    def _disk_refuses(self, error: OSError) -> None:
        self.metrics.errors.labels(stage="state", type="disk").inc()
        if not self._is_disk_said:
            self._is_disk_said = True
            _log.warning("count_not_saved", reason=str(error))

    async def _slice(self, stop: threading.Event) -> None:
        if not stop.is_set():
            await asyncio.sleep(SLICE_SECONDS)
        if self._outbox is not None:
            self._push(self._outbox)

    def _push(self, outbox: Outbox) -> None:
        settled = outbox.settle()
        outbox.is_gated = bool(self._gate.reason)
        if settled or outbox.is_empty or outbox.is_kept_back:
            self._acknowledged_at = time.monotonic()
        if settled:
            self.metrics.records_out.inc(settled)
            self.metrics.succeeded()
        self._signal_file.save(self._signals)
        if outbox.numbered > self._epochs.promised and not self._is_disk_said:
            self._note_count(outbox)
        self._link.pump(outbox)
        if outbox.dropped > self._dropped_said:
            self.metrics.dropped.labels(intentional="false").inc(outbox.dropped - self._dropped_said)
            self._dropped_said = outbox.dropped
        if outbox.dropped_signals and not self._are_signals_said:
            self._are_signals_said = True
            _log.warning("signals_dropped", topics=sorted(outbox.dropped_signals))

    async def _keep_link(self) -> None:
        while True:
            if self._link.is_connected and self._link.is_outdated:
                self._link.drop()
            if self._link.is_connected:
                await asyncio.sleep(SLICE_SECONDS)
                continue
            try:
                tail = await asyncio.to_thread(self._link.own_tail, self._is_tail_enough, self._see)
                self._meet_log(tail, await asyncio.to_thread(self._own_signals))
                await asyncio.to_thread(self._link.connect)
            except (NotConnected, OSError) as error:
                self._link.away(error)
                await asyncio.sleep(self._link.backoff.next_seconds())

    def _own_signals(self) -> dict[str, set[int]]:
        """Of the alarms, events and dead letters that were handed over: which stand on the log."""
        outbox = self._outbox
        oldest = outbox.oldest_signals() if outbox is not None else {}
        return self._link.own_signals(outbox.epoch, oldest) if outbox is not None and oldest else {}

    def _is_tail_enough(self, tail: Tail, _looked: int) -> bool:
        """Without an epoch of its own the adapter must find its last; else, the oldest record it is not sure of."""
        outbox = self._outbox
        if outbox is None:
            return bool(tail)
        oldest = outbox.oldest_in_flight
        # What stands before a record of an earlier epoch is none of this one's.
        is_before = min(tail, default=outbox.epoch) < outbox.epoch
        return oldest == 0 or is_before or min(tail.get(outbox.epoch, {oldest + 1: 0})) <= oldest

    def _meet_log(self, tail: Tail, signals: Mapping[str, Container[int]]) -> None:
        """What stands on the log decides the epoch, the counts of earlier ones, and what must be sent again."""
        if self._outbox is None:
            self._begin(self._epochs.begin(max(tail, default=0)))
        else:
            if not self._has_met_log:
                self._must_be_new(self._outbox.epoch, max(tail, default=0))
            self._outbox.recall({**signals, TELEMETRY: set(tail.get(self._outbox.epoch, ()))})
        self._has_met_log = True
        incarnation = self._link.incarnation()
        try:
            self._epochs.met_log(incarnation)
            correct_closed(self._epochs, tail)
        except OSError as error:  # it must not keep readings from a log that stands on another disk
            self._disk_refuses(error)

    def _must_be_new(self, epoch: int, highest: int) -> None:
        """Records under numbers that stand on the log already would be taken for repeats, here and downstream.

        Raises Fatal, with the next start's epoch above them on disk.
        """
        if highest >= epoch:
            self._epochs.begin(highest)
            raise Fatal(f"epochs.json is older than the log, which has epoch {highest} of {self._adapter_id}")

    def drain(self, deadline: float) -> None:
        """Stop polling, hand over what waits, wait for its acknowledgement."""
        self._cancel()
        outbox = self._outbox
        if outbox is None:
            return
        # What the gate keeps back is not waited for: it is gone with this process, and was never counted as read.
        while not outbox.is_empty and not self._is_kept_back(outbox) and time.monotonic() < deadline:
            self._push(outbox)
            try:
                self._link.finish(max(0.1, deadline - time.monotonic()))
            except NotConnected as error:
                self._link.away(error)
                break
        outbox.settle()
        self._signal_file.save(self._signals)
        self._note_count(outbox, is_last=outbox.is_empty)

    def _is_kept_back(self, outbox: Outbox) -> bool:
        """Whether nothing more goes to the log: it is away, or it has all that the gate let through."""
        return not self._link.is_connected or outbox.is_kept_back

    def _cancel(self) -> None:
        tasks, self._tasks = self._tasks, []
        self._loop.run_until_complete(_end(tasks))

    def close(self) -> None:
        """Close the adapter's connections, the producer and the loop."""
        if not hasattr(self, "_loop") or self._loop.is_closed():
            return
        self._cancel()
        self._loop.run_until_complete(self._closing.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._link.drop()  # after the worker threads: one of them may just have connected
        self._loop.close()

    def _broker_reason(self) -> str:
        """Why the log does not take readings; "" = it does. A silent broker is waited for (decision 0002)."""
        if not self._link.is_connected:
            return self._link.reason
        silent_seconds = time.monotonic() - self._acknowledged_at
        return f"no acknowledgement for {silent_seconds:.0f} s" if silent_seconds > SILENCE_SECONDS else ""

    def _is_well(self) -> bool:
        is_log_well = not self._broker_reason() and not self._gate.reason
        return is_log_well and self._are_devices_well() and not self._closing.remarks()

    def status(self) -> str:
        """Devices that answer, or what is waited for."""
        parts = [*self._device_lines(), *self._closing.remarks()]
        if full := self._gate.reason:
            parts.append(f"readings wait in memory: {full}")
        elif reason := self._broker_reason():
            parts.append(f"waiting for the broker: {reason}")
        if counts := [f"{count:.0f} of {topic}" for (topic, *_), count in self._dropped_signals().items() if count]:
            parts.append(f"lost since the start, there was no room: {', '.join(counts)}")
        return "; ".join(parts)

    def health(self) -> Health:
        """DEGRADED while a device or the broker is away, or the disk full, or a device lacks what the file asks for."""
        return Health(
            state=State.HEALTHY if self._is_well() else State.DEGRADED,
            status=self.status(),
            details={
                "kind": "adapter",
                "protocol": self._kind,
                "adapter_id": self._adapter_id,
                "devices": self._device_details(),
                "source": dict(self._closing.details()),
                "ledger": [_ledger_row(count) for count in self._epoch_counts()],
                "waiting_bytes": self._waiting_bytes(),
                "is_gated": bool(self._gate.reason),
            },
        )

    def _epoch_counts(self) -> list[EpochCount]:
        outbox = self._outbox
        if outbox is None:
            return list(self._epochs.closed)
        noted = self._epochs.current or EpochCount(epoch=outbox.epoch)
        return [*self._epochs.closed, replace(noted, read=outbox.read, dropped=outbox.dropped)]

    def _dropped_signals(self) -> dict[tuple[str, ...], float]:
        """Topic -> alarms, events or dead letters that were let go."""
        counts = self._outbox.dropped_signals if self._outbox else {}
        return {(topic,): float(counts.get(topic, 0)) for topic in TOPIC_OF.values()}

    def _waiting_bytes(self) -> float:
        return float(self._outbox.unacknowledged_bytes) if self._outbox else 0.0


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: before Python 3.12, `wait_for` drops a cancellation that comes with an answer."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)


def _ledger_row(count: EpochCount) -> dict[str, int]:
    return {
        "epoch": count.epoch,
        "read": count.read,
        "dropped": count.dropped,
        "incarnation": count.incarnation,
    }
