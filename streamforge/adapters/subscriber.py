"""Runs a Subscriber: each peer kept connected and listened to, what it sends handed to the log, silence noticed."""

import asyncio
import time
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from streamforge.adapters.base import AdapterConfig, Batch, Device, Refused, Subscriber, nothing, silence
from streamforge.adapters.component import AdapterComponent
from streamforge.adapters.device_metrics import register
from streamforge.adapters.device_record import DeviceRecord, DeviceState, device_details
from streamforge.adapters.lane import both, when_all
from streamforge.adapters.link import Tail
from streamforge.adapters.outbox import Outbox
from streamforge.adapters.peers import NOT_TRIED, Peer
from streamforge.adapters.push_report import PushReporter
from streamforge.adapters.repeats import MOST_BATCHES, Repeats
from streamforge.bus.connection import Connection
from streamforge.clock import now_us
from streamforge.errors import NotConnected
from streamforge.logs import Log
from streamforge.model import Alarm, DeadLetter, Event, Quality, ReadingBatch, names

_log = Log("adapter")
# Beyond this a peer that can wait is made to wait: what it keeps outlives this process.
MOST_WAITING_BYTES = 4 * 1024 * 1024
# And beyond so many messages that wait to be acknowledged though nothing of them is worth a record.
MOST_WAITING = 10_000
LOOK_SECONDS = 1.0
NO_SIGNAL = "no_signal"
# So many records of all adapters, at least, are looked through for those of a process that was killed: 1 s of work.
MOST_LOOKED = 50_000
# So many assets that turn up by themselves are listed, however many there are.
MOST_DEVICES = 1_000
_NO_NAMES = names((), (), b"")


class SubscriberComponent(AdapterComponent):
    """One Subscriber with its peers; it is its inbox, too."""

    def __init__(
        self,
        adapter: Subscriber[AdapterConfig],
        kind: str,
        instance: str,
        *,
        connection: Connection,
        state_directory: Path,
    ) -> None:
        super().__init__(adapter, kind, instance, connection=connection, state_directory=state_directory)
        self._adapter = adapter
        self._devices = {device.asset_id: device for device in adapter.devices}
        self._records = {asset_id: DeviceRecord() for asset_id in self._devices}
        register(self.metrics, self._records)
        self._heard_seconds: dict[str, float] = {}
        self._reporter = PushReporter(adapter.devices, adapter.rules_of)
        self._peers: dict[str, Peer] = {}
        self._letters = 0
        self._room = asyncio.Event()
        self._is_woken = False
        self._repeats = Repeats()
        self._met = asyncio.Event()
        if not adapter.can_wait:
            self._met.set()

    def _see(self, record: ReadingBatch) -> None:
        """What stands there before this process has sent anything, a peer may send once more."""
        if self._adapter.can_wait and not self._met.is_set():
            self._repeats.saw(record)

    def _is_tail_enough(self, tail: Tail, looked: int) -> bool:
        """After a kill: as many of its own records as may have been on their way, if they stand so near to the end."""
        return super()._is_tail_enough(tail, looked) and (
            not self._adapter.can_wait
            or self._met.is_set()
            or self._epochs.was_ended
            or sum(map(len, tail.values())) >= MOST_BATCHES
            or looked >= MOST_LOOKED
        )

    def _meet_log(self, tail: Tail, signals: Mapping[str, Container[int]]) -> None:
        if self._adapter.can_wait and not self._met.is_set():
            self._repeats.met()
            self._say_what_is_not_known(tail)
        super()._meet_log(tail, signals)
        self._met.set()

    def _say_what_is_not_known(self, tail: Tail) -> None:
        """Killed, and others have written so much since that its last records were not found."""
        before = self._epochs.closed[-1:]
        if before and not self._epochs.was_ended and before[0].read and before[0].epoch not in tail:
            self.metrics.errors.labels(stage="tail", type="not_found").inc()
            _log.warning("own_records_not_found", epoch=before[0].epoch)

    def _begin_work(self, outbox: Outbox) -> None:
        self._box = outbox
        for address in self._adapter.peers:
            peer = self._peers[address] = Peer(
                address=address,
                connect=partial(self._adapter.connect, address),
                backoff=self._adapter.config.retry_policy.backoff(),
            )
            self._start(peer.run())
            self._start(self._listen_forever(peer))
        began = time.monotonic()
        self._heard_seconds = dict.fromkeys(self._devices, began)
        self._start(self._watch_silence())

    async def _listen_forever(self, peer: Peer) -> None:
        await self._met.wait()
        while True:
            await peer.stands()
            try:
                await self._adapter.listen(peer.address, self)
            except (NotConnected, OSError) as error:
                peer.lost(str(error) or type(error).__name__)
                self._repeats.lost()
                for device in self._of(peer):
                    self._silent(device, peer.reason, say=False)

    def _of(self, peer: Peer) -> list[Device]:
        return [device for device in self._devices.values() if device.peer == peer.address]

    async def _watch_silence(self) -> None:
        """Devices that must send now and then: what they sent last is not believed for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            if not self._met.is_set() or self._is_full():
                # it is this end that does not listen
                self._heard_seconds = dict.fromkeys(self._heard_seconds, now)
            for device in self._devices.values():
                peer = self._peers.get(device.peer)
                if peer is not None and not peer.is_connected:
                    if peer.reason != NOT_TRIED:
                        self._silent(device, peer.reason, say=False)
                elif 0.0 < device.silence_seconds < now - self._heard_seconds[device.asset_id]:
                    self._silent(device, NO_SIGNAL, say=True)

    def _silent(self, device: Device, reason: str, *, say: bool) -> None:
        """Its parameters are BAD: once, and again now and then; the reporter knows when."""
        record = self._records[device.asset_id]
        if record.failed(reason):
            self.metrics.errors.labels(stage="listen", type="device").inc()
            if say:
                _log.warning("device_away", device=device.key, asset_id=device.asset_id, reason=reason)
        if len(device.names):  # what it sends may not be known beforehand
            self._take(silence(device.asset_id, device.names, reason))

    async def put(self, batch: Batch) -> None:
        """Readings of a peer that can wait: returns when there is room for more."""
        self._arrived(batch)
        while self._is_full():
            self._room.clear()
            await self._room.wait()

    def _is_full(self) -> bool:
        return self._waiting_bytes() > MOST_WAITING_BYTES or self._box.waiting_for_it > MOST_WAITING

    def offer(self, batch: Batch) -> None:
        """Readings of a peer that cannot wait."""
        self._arrived(batch)

    def signal(self, signal: Event | Alarm, done: Callable[[], None] = nothing) -> None:
        """What the peer itself calls an event or an alarm."""
        outbox = self._box
        self._hear(signal.asset_id)
        outbox.put_signal(signal, signal.asset_id, done)
        self._push(outbox)

    def refuse(self, refused: Refused, done: Callable[[], None] = nothing) -> None:
        """What cannot be read is kept with its bytes."""
        outbox = self._box
        self.metrics.errors.labels(stage="decode", type="refused").inc()
        self._letters += 1
        letter = DeadLetter(
            topic=f"{self._kind}:{refused.where}",
            partition=0,
            offset=outbox.epoch << 32 | self._letters,
            time_us=now_us(),
            reason=refused.reason,
            payload=refused.payload,
        )
        outbox.put_signal(letter, refused.asset_id or self._adapter_id, done)
        self._push(outbox)

    def _arrived(self, batch: Batch) -> None:
        self.metrics.records_in.inc(len(batch.values))
        self._hear(batch.asset_id, _all_bad(batch))
        self._take(batch)

    def _hear(self, asset_id: str, bad: str = "") -> None:
        """It sends; `bad` = why none of it is good."""
        if asset_id in self._devices:
            self._heard_seconds[asset_id] = time.monotonic()
        if asset_id not in self._records:
            if len(self._records) >= MOST_DEVICES:
                return
            self._records[asset_id] = DeviceRecord()
        record = self._records[asset_id]
        record.requests += 1
        if bad:
            record.told_bad(bad)
        elif record.answered(now_us()):
            _log.info("device_back", device=asset_id, asset_id=asset_id)

    def _take(self, batch: Batch) -> None:
        outbox, time_us = self._box, now_us()
        if self._adapter.can_wait:
            self._repeats.took(batch)
        known = self._repeats.count
        new = self._repeats.without(batch, time.monotonic())
        self.metrics.dropped.labels(intentional="true").inc(self._repeats.count - known)
        if new is None:
            outbox.after(batch.done)
            return
        batch = new
        if not batch.is_history:
            batch = self._with_signals(batch, time_us)
        due = batch if batch.is_history else self._reporter.select(batch, time.monotonic())
        if due is None:
            outbox.after(batch.done)
        else:
            outbox.put(due, time_us, self._clock.now(time_us))
        self._push(outbox)

    def _with_signals(self, batch: Batch, time_us: int) -> Batch:
        """The batch, done when the log has what it makes besides readings, too: nobody sends it again after that."""
        signals = self._signals.look(self._reporter.signals(batch), batch, time_us)
        if not signals:
            return batch
        done = when_all(len(signals) + 1, batch.done)
        for signal in signals:
            self._box.put_signal(signal, batch.asset_id, both(partial(self._signal_done, signal), done))
        return replace(batch, done=done)

    def _wake(self) -> None:
        """In a thread of the client's: something was acknowledged; many of these make one look."""
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._is_woken = False
        self._push(self._box)

    def _push(self, outbox: Outbox) -> None:
        """There may be room now: also without an acknowledgement, where what waited was too large for the log."""
        super()._push(outbox)
        self._room.set()

    def _are_devices_well(self) -> bool:
        return all(peer.is_connected for peer in self._peers.values()) and all(
            self._records[asset_id].state is not DeviceState.OFFLINE for asset_id in self._devices
        )

    def _device_lines(self) -> list[str]:
        # a copy: this is asked for in another thread, while assets turn up
        sent = [record.state is DeviceState.ONLINE for record in list(self._records.values())]
        parts = [f"{sum(sent)} of {len(sent)} devices send"]
        return parts + [peer.reason for peer in self._peers.values() if not peer.is_connected]

    def _device_details(self) -> list[dict[str, object]]:
        return [
            device_details(self._devices.get(asset_id) or _unknown(asset_id), record)
            for asset_id, record in list(self._records.items())
        ]


def _all_bad(batch: Batch) -> str:
    """The first reason of readings that are all BAD; "" where one is not."""
    is_bad = bool(batch.qualities) and batch.qualities.count(Quality.BAD) == len(batch.values)
    return (batch.reasons.get(0) or Quality.BAD.name) if is_bad else ""


def _unknown(asset_id: str) -> Device:
    """An asset that turned up by itself."""
    return Device(key=asset_id, asset_id=asset_id, interval_seconds=0.0, names=_NO_NAMES)
