"""Runs a Poller: each device on its grid, each peer kept connected."""

import asyncio
import time
from functools import partial
from pathlib import Path

from streamforge.adapters.base import AdapterConfig, Batch, Device, Poller
from streamforge.adapters.component import SLICE_SECONDS, AdapterComponent
from streamforge.adapters.deadband import reporter_of
from streamforge.adapters.device_metrics import register
from streamforge.adapters.device_record import DeviceRecord, DeviceState, device_details
from streamforge.adapters.outbox import Outbox
from streamforge.adapters.peers import NOT_TRIED, Peer
from streamforge.adapters.schedule import Grid, phases
from streamforge.bus.connection import Connection
from streamforge.clock import now_us
from streamforge.errors import NotConnected
from streamforge.logs import Log
from streamforge.model import Quality

_log = Log("adapter")
BAD = Quality.BAD.value
# How the reason of a reading begins that only another configuration can make good.
CONFIG_ERROR = "config_error"


class PollerComponent(AdapterComponent):
    """One Poller with its devices; the runner owns the schedule and the waits."""

    def __init__(
        self, adapter: Poller[AdapterConfig], kind: str, instance: str, *, connection: Connection, state_directory: Path
    ) -> None:
        super().__init__(adapter, kind, instance, connection=connection, state_directory=state_directory)
        self._adapter = adapter
        self._devices = tuple(adapter.devices)
        self._records = {device.key: DeviceRecord() for device in self._devices}
        register(self.metrics, self._records)
        self._reporters = {device.key: reporter_of(device) for device in self._devices}
        self._peers: dict[str, Peer] = {}
        self._grids = {device.key: Grid(interval_seconds=device.interval_seconds) for device in self._devices}
        self.metrics.counters(
            "poll_overruns_total", "Scans left out: the one before was not done", ("device",),
            lambda: {(key,): grid.overruns for key, grid in self._grids.items()},
        )  # fmt: skip

    def _begin_work(self, outbox: Outbox) -> None:
        for device in self._devices:
            if device.peer not in self._peers:
                self._add_peer(device)
        offsets = phases([device.interval_seconds for device in self._devices])
        start = time.monotonic()
        for device, offset in zip(self._devices, offsets, strict=True):
            grid = self._grids[device.key]
            grid.phase_seconds = start + offset
            self._start(self._poll_forever(device, grid, outbox))

    def _add_peer(self, device: Device) -> None:
        peer = Peer(
            address=device.peer,
            connect=partial(self._adapter.connect, device),
            backoff=self._adapter.config.retry_policy.backoff(),
        )
        self._peers[device.peer] = peer
        self._start(peer.run())

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
            began = time.monotonic()
            try:
                batch = await self._adapter.poll(device)
            except (NotConnected, OSError) as error:
                record.took(time.monotonic() - began)
                peer.lost(str(error) or type(error).__name__)
                self._away(device, record, peer.reason, outbox, say=False)
                continue
            record.took(time.monotonic() - began)
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
        if reason == NOT_TRIED:
            return
        self._note_failure(device, record, reason, say=say)
        self._report(device, self._adapter.silent(device, reason), outbox, now_us())

    def _note_failure(self, device: Device, record: DeviceRecord, reason: str, *, say: bool) -> None:
        if record.failed(reason):
            self.metrics.errors.labels(stage="poll", type="device").inc()
            if say:
                _log.warning("device_away", device=device.key, asset_id=device.asset_id, reason=reason)

    def _report(self, device: Device, batch: Batch, outbox: Outbox, time_us: int) -> None:
        for signal in self._signals.look(device.signals, batch, time_us):
            outbox.put_signal(signal, batch.asset_id, partial(self._signal_done, signal))
        due = self._reporters[device.key].select(batch, time.monotonic())
        if due is not None:
            outbox.put(due, time_us, self._clock.now(time_us))
            self._push(outbox)

    def _are_devices_well(self) -> bool:
        return all(r.state is DeviceState.ONLINE and not r.refused for r in self._records.values())

    def _device_lines(self) -> list[str]:
        # A device that is read at several intervals is one for people.
        here = {(device.asset_id, device.address): True for device in self._devices}
        for device in self._devices:
            here[device.asset_id, device.address] &= self._records[device.key].state is DeviceState.ONLINE
        parts = [f"{sum(here.values())} of {len(here)} devices answer"]
        parts += [peer.reason for peer in self._peers.values() if not peer.is_connected]
        return parts + [f"{key}: {record.refused}" for key, record in self._records.items() if record.refused]

    def _device_details(self) -> list[dict[str, object]]:
        return [device_details(device, self._records[device.key]) for device in self._devices]


def _refused(batch: Batch) -> str:
    """The points that the device says it does not have: the first with its reason, and how many more; "" = none."""
    found = [index for index, reason in batch.reasons.items() if reason.startswith(CONFIG_ERROR)]
    if not found:
        return ""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{batch.names.parameters[found[0]]}{more}: {batch.reasons[found[0]]}"
