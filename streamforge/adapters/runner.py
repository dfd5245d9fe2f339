"""Runs a Poller as a unit: one event loop, one schedule, the outbox, health. The adapter never loops or waits."""

import asyncio
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from streamforge import __version__
from streamforge.adapters.base import Adapter, AdapterConfig, Batch, Device, Poller
from streamforge.adapters.deadband import Reporter
from streamforge.adapters.epochs import EpochCount, Epochs
from streamforge.adapters.link import Link, Tail, correct_closed
from streamforge.adapters.outbox import Outbox
from streamforge.adapters.peers import DeviceRecord, DeviceState, Peer
from streamforge.adapters.schedule import Grid, phases
from streamforge.backoff import Backoff
from streamforge.bus.connection import Connection
from streamforge.clock import ClockQuality, now_us
from streamforge.errors import Fatal, NotConnected
from streamforge.health import Health, State
from streamforge.logs import Log
from streamforge.metrics import Metrics
from streamforge.model import Quality, Source
from streamforge.pressure import Gate
from streamforge.service import Component

_log = Log("adapter")
SLICE_SECONDS = 0.25
NOTE_SECONDS = 10.0
SILENCE_SECONDS = 5.0
CANCEL_SECONDS = 0.1
BAD = Quality.BAD.value
# How the reason of a reading begins that only another configuration can make good.
CONFIG_ERROR = "config_error"


def component(adapter: Adapter[Any], kind: str, instance: str) -> Component:
    """The unit's work for an adapter, with broker and state directory from the environment."""
    if not isinstance(adapter, Poller):
        raise Fatal(f"{kind}: no runner for {type(adapter).__name__}")
    state = Path(os.environ.get("STATE_DIRECTORY", f"/var/lib/streamforge/state/adapter-{kind}@{instance}"))
    return PollerComponent(
        adapter, kind, instance, connection=Connection.from_environment(f"adapter-{kind}"), state_directory=state
    )


class PollerComponent:
    """One Poller with its devices. Work happens in slices of its event loop, so that a step is bounded."""

    def __init__(
        self, adapter: Poller[AdapterConfig], kind: str, instance: str, *, connection: Connection, state_directory: Path
    ) -> None:
        self._adapter = adapter
        self._kind = kind
        self._adapter_id = adapter.config.adapter_id or instance
        self._source = Source(
            asset_id="",
            adapter_id=self._adapter_id,
            adapter_version=__version__,
            pipeline_id=adapter.config.pipeline_id,
            hostname=os.uname().nodename,
        )
        self._devices = tuple(adapter.devices)
        self._records = {device.key: DeviceRecord() for device in self._devices}
        self._reporters = {device.key: Reporter(device) for device in self._devices}
        self._peers: dict[str, Peer] = {}
        self._epochs = Epochs(state_directory, self._adapter_id)
        self._link = Link(connection, self._adapter_id)
        self._clock = ClockQuality()
        self._gate = Gate()
        self._outbox: Outbox | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._dropped_said = 0
        self._is_disk_said = False
        self._acknowledged_at = time.monotonic()
        self.metrics = Metrics()
        self.metrics.gauge("waiting_bytes", "Encoded bytes that the log has not acknowledged", self._waiting_bytes)

    def open(self) -> None:
        """Make the loop and the tasks; peers and broker may be away."""
        self._loop = asyncio.new_event_loop()
        self._last_noted = time.monotonic()
        if self._epochs.is_known:
            self._begin(self._epochs.begin())
        self._tasks.append(self._loop.create_task(self._keep_link()))

    def _begin(self, epoch: int) -> None:
        self._outbox = Outbox(self._source, epoch)
        for device in self._devices:
            if device.peer not in self._peers:
                self._add_peer(device)
        offsets = phases([device.interval_seconds for device in self._devices])
        start = time.monotonic()
        for device, offset in zip(self._devices, offsets, strict=True):
            grid = Grid(interval_seconds=device.interval_seconds, phase_seconds=start + offset)
            self._tasks.append(self._loop.create_task(self._poll_forever(device, grid, self._outbox)))

    def _add_peer(self, device: Device) -> None:
        policy = self._adapter.config.retry_policy
        peer = Peer(
            address=device.peer,
            connect=partial(self._adapter.connect, device),
            backoff=Backoff(first_seconds=policy.first_ms / 1000, most_seconds=policy.most_ms / 1000),
        )
        self._peers[device.peer] = peer
        self._tasks.append(self._loop.create_task(peer.run()))

    def step(self, stop: threading.Event) -> None:
        """One slice of the event loop. Raises what a task could not handle."""
        self._loop.run_until_complete(self._slice(stop))
        self.metrics.connected.set(float(self._is_well()))
        for task in self._tasks:
            if task.done():
                task.result()
        if self._outbox is not None and time.monotonic() - self._last_noted >= NOTE_SECONDS:
            self._note_count(self._outbox)

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
        gated = self._gate.reason
        if settled or outbox.is_empty or gated:
            self._acknowledged_at = time.monotonic()
        if settled:
            self.metrics.records_out.inc(settled)
            self.metrics.succeeded()
        if outbox.numbered > self._epochs.promised and not self._is_disk_said:
            self._note_count(outbox)
        if not gated:
            self._link.pump(outbox)
        if outbox.dropped > self._dropped_said:
            self.metrics.dropped.labels(intentional="false").inc(outbox.dropped - self._dropped_said)
            self._dropped_said = outbox.dropped

    async def _keep_link(self) -> None:
        while True:
            if self._link.is_connected and self._link.is_outdated:
                self._link.drop()
            if self._link.is_connected:
                await asyncio.sleep(SLICE_SECONDS)
                continue
            try:
                self._meet_log(await asyncio.to_thread(self._link.own_tail, self._is_tail_enough))
                await asyncio.to_thread(self._link.connect)
            except (NotConnected, OSError) as error:
                self._link.away(error)
                await asyncio.sleep(self._link.backoff.next_seconds())

    def _is_tail_enough(self, tail: Tail) -> bool:
        """Without an epoch of its own the adapter must find its last; else, the oldest record it is not sure of."""
        outbox = self._outbox
        if outbox is None:
            return bool(tail)
        oldest = outbox.oldest_in_flight
        return oldest == 0 or min(tail.get(outbox.epoch, {oldest + 1: 0})) <= oldest

    def _meet_log(self, tail: Tail) -> None:
        """What stands on the log decides the epoch, the counts of earlier ones, and what must be sent again."""
        if self._outbox is None:
            self._begin(self._epochs.begin(max(tail, default=0)))
        else:
            self._outbox.recall(set(tail.get(self._outbox.epoch, ())))
        self._epochs.met_log(self._link.incarnation())
        correct_closed(self._epochs, tail)

    async def _poll_forever(self, device: Device, grid: Grid, outbox: Outbox) -> None:
        peer, record = self._peers[device.peer], self._records[device.key]
        while True:
            now = time.monotonic()
            await asyncio.sleep(max(0.0, grid.next_seconds(now) - now))
            if not peer.is_connected:
                self._away(device, record, peer.reason, outbox, say=False)
                if device.interval_seconds <= 0.0:
                    await asyncio.sleep(SLICE_SECONDS)
                continue
            record.requests += 1
            try:
                batch = await self._adapter.poll(device)
            except (NotConnected, OSError) as error:
                peer.lost(str(error) or type(error).__name__)
                self._away(device, record, peer.reason, outbox, say=False)
                continue
            self._take(device, record, batch, outbox)

    def _take(self, device: Device, record: DeviceRecord, batch: Batch, outbox: Outbox) -> None:
        time_us = now_us()
        self.metrics.records_in.inc(len(batch.values))
        if batch.qualities and batch.qualities.count(BAD) == len(batch.qualities):
            reason = next(iter(batch.reasons.values()), "no good reading")
            self._note_failure(device, record, reason, say=True)
        else:
            self._note_answer(device, record, batch, time_us)
        self._report(device, batch, outbox, time_us)

    def _note_answer(self, device: Device, record: DeviceRecord, batch: Batch, time_us: int) -> None:
        if record.answered(time_us):
            _log.info("device_back", device=device.key, asset_id=device.asset_id)
        refused = _refused(batch)
        if record.refuses(refused):
            self.metrics.errors.labels(stage="poll", type="refused").inc()
            _log.warning("points_refused", device=device.key, asset_id=device.asset_id, reason=refused)

    def _away(self, device: Device, record: DeviceRecord, reason: str, outbox: Outbox, *, say: bool) -> None:
        if reason == "not tried yet":
            return
        self._note_failure(device, record, reason, say=say)
        self._report(device, self._adapter.silent(device, reason), outbox, now_us())

    def _note_failure(self, device: Device, record: DeviceRecord, reason: str, *, say: bool) -> None:
        if record.failed(reason):
            self.metrics.errors.labels(stage="poll", type="device").inc()
            if say:
                _log.warning("device_away", device=device.key, asset_id=device.asset_id, reason=reason)

    def _report(self, device: Device, batch: Batch, outbox: Outbox, time_us: int) -> None:
        due = self._reporters[device.key].select(batch, time.monotonic())
        if due is not None:
            outbox.put(due, time_us, self._clock.now(time_us))
            self._push(outbox)

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
        self._note_count(outbox, is_last=outbox.is_empty)

    def _is_kept_back(self, outbox: Outbox) -> bool:
        """Whether nothing more goes to the log: it is away, or it has all that the gate let through."""
        return not self._link.is_connected or (bool(self._gate.reason) and not outbox.oldest_in_flight)

    def _cancel(self) -> None:
        tasks, self._tasks = self._tasks, []
        self._loop.run_until_complete(_end(tasks))

    def close(self) -> None:
        """Close the adapter's connections, the producer and the loop."""
        if not hasattr(self, "_loop") or self._loop.is_closed():
            return
        self._cancel()
        self._loop.run_until_complete(self._adapter.close())
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
        records = self._records.values()
        is_taken = not self._broker_reason() and not self._gate.reason
        return is_taken and all(r.state is DeviceState.ONLINE and not r.refused for r in records)

    def status(self) -> str:
        """Devices that answer, or what is waited for."""
        # A device that is read at several intervals is one for people.
        here = {(device.asset_id, device.address): True for device in self._devices}
        for device in self._devices:
            here[device.asset_id, device.address] &= self._records[device.key].state is DeviceState.ONLINE
        parts = [f"{sum(here.values())} of {len(here)} devices answer"]
        parts += [peer.reason for peer in self._peers.values() if not peer.is_connected]
        parts += [f"{key}: {record.refused}" for key, record in self._records.items() if record.refused]
        if full := self._gate.reason:
            parts.append(f"readings wait in memory: {full}")
        elif reason := self._broker_reason():
            parts.append(f"waiting for the broker: {reason}")
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
                "devices": [self._device_details(device) for device in self._devices],
                "ledger": [_ledger_row(count) for count in self._epoch_counts()],
                "waiting_bytes": self._waiting_bytes(),
                "is_gated": bool(self._gate.reason),
            },
        )

    def _device_details(self, device: Device) -> dict[str, object]:
        record = self._records[device.key]
        return {
            "key": device.key,
            "asset_id": device.asset_id,
            "address": device.address,
            "state": record.state.value,
            "last_success_us": record.last_success_us,
            "last_error": record.last_error or record.refused,
            "interval_seconds": device.interval_seconds,
            "points": len(device.names),
            "requests": record.requests,
            "errors": record.errors,
        }

    def _epoch_counts(self) -> list[EpochCount]:
        outbox = self._outbox
        if outbox is None:
            return list(self._epochs.closed)
        noted = self._epochs.current or EpochCount(epoch=outbox.epoch)
        return [*self._epochs.closed, replace(noted, read=outbox.read, dropped=outbox.dropped)]

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


def _refused(batch: Batch) -> str:
    """The points that the device says it does not have: the first with its reason, and how many more; "" = none."""
    found = [index for index, reason in batch.reasons.items() if reason.startswith(CONFIG_ERROR)]
    if not found:
        return ""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{batch.names.parameters[found[0]]}{more}: {batch.reasons[found[0]]}"


def _ledger_row(count: EpochCount) -> dict[str, int]:
    return {
        "epoch": count.epoch,
        "read": count.read,
        "dropped": count.dropped,
        "incarnation": count.incarnation,
    }
