"""OPC UA: subscribes to the variables of one server, reads what cannot be subscribed to, and takes its alarms.

Reads only: the one method that is called asks a server to say its alarms again. A notification is acknowledged when the
log has it; what a server kept while the link was down is asked for again.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError, UaStructParsingError

from streamforge.adapters.base import EVERY_READING, Batch, Device, Inbox, Subscriber
from streamforge.adapters.lane import both, when_all
from streamforge.adapters.opcua_alarms import Conditions
from streamforge.adapters.opcua_config import OpcUaConfig
from streamforge.adapters.opcua_feed import Gap, Message, SubscriptionLost, publish
from streamforge.adapters.opcua_heard import Heard
from streamforge.adapters.opcua_items import batches, item_of
from streamforge.adapters.opcua_link import Link, failing
from streamforge.adapters.opcua_reader import ALARMS, Reader
from streamforge.adapters.opcua_standing import StandingFile
from streamforge.adapters.opcua_trust import DIRECTORY, TrustList
from streamforge.adapters.tags import rule_of, signal_rule
from streamforge.clock import now_us
from streamforge.errors import NotConnected
from streamforge.logs import Log
from streamforge.model import Event, Kind, Severity, names

_log = Log("adapter")
# Publish requests that the server holds: it answers one while the other is on its way.
OUTSTANDING = 2
RETRY_SECONDS = 600.0
LOST_SECONDS = 60.0
NOT_RUNNING = "the adapter did not run, or not with this subscription"


class OpcUa(Subscriber[OpcUaConfig]):
    """One instance: one server, one session, one subscription."""

    Config = OpcUaConfig

    def __init__(self, config: OpcUaConfig) -> None:
        super().__init__(config)
        self._items = [item_of(asset_id, row) for asset_id, row in config.rows()]
        self._devices = tuple(_devices(config))
        self._outstanding = OUTSTANDING
        self._lost_said, self._lost_at_seconds = 0, float("-inf")

    def place(self, adapter_id: str, state_directory: Path) -> None:
        super().place(adapter_id, state_directory)
        link = Link(self.config.source, TrustList(state_directory / DIRECTORY))
        self._standing = StandingFile(state_directory)
        self._conditions = Conditions(adapter_id, self.config.output.asset_id, self._standing.load())
        self._reader = Reader(self.config, link, self._items, self._conditions)
        self._heard = Heard(state_directory, self.config.source.url)
        if self._heard.before_us:
            self._reader.was_away(self._heard.before_us, NOT_RUNNING)

    @property
    def peers(self) -> Sequence[str]:
        return (self.config.source.url,)

    @property
    def devices(self) -> Sequence[Device]:
        return self._devices

    def remarks(self) -> Sequence[str]:
        return self._reader.remarks()

    def figures(self) -> Mapping[tuple[str, ...], float]:
        return {("", name): float(count) for name, count in self._reader.counts().items()}

    async def connect(self, peer: str) -> None:
        with failing(peer):
            await self._reader.connect()

    async def listen(self, peer: str, inbox: Inbox) -> None:
        for gap in self._reader.taken_gaps():
            inbox.signal(self._gap_event(gap))
        try:
            with failing(peer):
                await _first_to_fail(
                    self._receive(inbox), self._poll(inbox), self._renew(), self._look_again(inbox), self._retry()
                )
        except NotConnected as error:
            for batch in self._reader.silent_browsed(str(error)):
                inbox.offer(batch)
            raise

    async def close(self) -> None:
        self._standing.save()
        self._heard.save(is_last=True)
        await self._reader.link.close()

    async def _receive(self, inbox: Inbox) -> None:
        """What the server kept and what it sends, until the subscription or the link is gone."""
        waiting: list[asyncio.Task[Any]] = []
        try:
            await self._replay(inbox)
            await self._publish(waiting, inbox)
        except SubscriptionLost as error:
            self._reader.forget_subscription(str(error))
            msg = f"the server has dropped the subscription: {error}"
            raise NotConnected(msg) from error
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _replay(self, inbox: Inbox) -> None:
        subscription = self._reader.subscription
        while subscription.replayed is not None:
            message, subscription.replayed = subscription.replayed, None
            await self._hand_over(message, inbox)
            subscription.replayed = await subscription.feed.resume(self._reader.link.session)

    async def _publish(self, waiting: list["asyncio.Task[Any]"], inbox: Inbox) -> None:
        session, feed = self._reader.link.session, self._reader.subscription.feed
        while True:
            while len(waiting) < self._outstanding:
                waiting.append(asyncio.create_task(publish(session, feed)))
            done, _ = await asyncio.wait(waiting[:1], timeout=feed.silence_seconds)
            if not done:
                raise TimeoutError
            with suppress(UaStructParsingError):  # it is missed, asked for again, and then said to be lost
                await self._arrived(waiting.pop(0), inbox)

    async def _arrived(self, answer: "asyncio.Task[Any]", inbox: Inbox) -> None:
        try:
            result = answer.result()
        except UaStatusCodeError as error:
            if error.code == ua.StatusCodes.BadTimeout:
                return
            if error.code == ua.StatusCodes.BadTooManyPublishRequests and self._outstanding > 1:
                self._outstanding -= 1
                return
            raise
        self._standing.save()
        self._heard.save()
        subscription = self._reader.subscription
        async for one in subscription.feed.arrived(self._reader.link.session, result, now_us()):
            if isinstance(one, Gap):
                inbox.signal(self._gap_event(one))
            else:
                await self._hand_over(one, inbox)
        self._heard.quiet(subscription.feed.heard_us)
        if subscription.is_resumed and not result.MoreNotifications:
            # A server sends changes alone: what did not change while the link was down still holds.
            subscription.is_resumed = False
            for batch in batches(subscription.table.unheard()):
                await inbox.put(batch)

    async def _hand_over(self, message: Message, inbox: Inbox) -> None:
        """Readings and alarms of one message to the log; it is acknowledged when the log has all of them."""
        table = self._reader.subscription.table
        found: list[Batch] = []
        alarms = []
        for part in message.data:
            match part:
                case ua.DataChangeNotification():
                    found += batches(table.take(part.MonitoredItems or []))
                case ua.EventNotificationList():
                    for event in part.Events or []:
                        is_asked = event.ClientHandle == ALARMS
                        alarms += self._conditions.take(event.EventFields, now_us(), is_asked=is_asked)
                case ua.StatusChangeNotification() if not part.Status.is_good():
                    raise SubscriptionLost(part.Status.name)
        done = when_all(len(found) + len(alarms), both(message.done, self._heard.handed_over(now_us())))
        for alarm in alarms:
            inbox.signal(alarm, both(partial(self._standing.done, alarm), done))
        # All at once, and then the wait for room: if the link goes meanwhile nobody asks for the rest of it again.
        for batch in found[:-1]:
            inbox.offer(replace(batch, done=done))
        for batch in found[-1:]:
            await inbox.put(replace(batch, done=done))
        self._say_lost(table.lost, inbox)

    def _say_lost(self, lost: int, inbox: Inbox) -> None:
        """Samples that did not fit the server's queues, at most once a minute."""
        now = time.monotonic()
        if lost > self._lost_said and now - self._lost_at_seconds >= LOST_SECONDS:
            more, self._lost_said, self._lost_at_seconds = lost - self._lost_said, lost, now
            at_us = now_us()
            reason = f"queues ran over at the server: {more} samples are marked so"
            inbox.signal(self._gap_event(Gap(from_us=at_us, to_us=at_us, reason=reason)))

    async def _poll(self, inbox: Inbox) -> None:
        """Reads what the server does not monitor."""
        while True:
            for batch in batches(await self._reader.read_polled()):
                await inbox.put(batch)
            await asyncio.sleep(self.config.poll_interval_ms / 1000)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._reader.link.renew_seconds)
            await self._reader.link.renew()

    async def _look_again(self, inbox: Inbox) -> None:
        """Browses anew when the server says that its nodes have changed, and now and then."""
        last_seconds = time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            interval_seconds = self.config.browse_again_hours * 3600.0
            if self._reader.is_root_unknown:
                interval_seconds = min(interval_seconds, RETRY_SECONDS)
            is_due = time.monotonic() - last_seconds >= interval_seconds
            if is_due or self._conditions.is_model_changed:
                self._conditions.is_model_changed, last_seconds = False, time.monotonic()
                await self._reader.retry_polled()
                for batch in await self._reader.browse_again():
                    await inbox.put(batch)

    async def _retry(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            await self._reader.retry_polled()

    def _gap_event(self, gap: Gap) -> Event:
        asset_id = self.config.output.asset_id or self._devices[0].asset_id
        return Event(
            event_id=f"{self.adapter_id}/data_gap/{gap.from_us}/{gap.to_us}",
            asset_id=asset_id,
            type="data_gap",
            severity=Severity.MEDIUM,
            time_us=gap.to_us,
            message=f"{self.config.source.url}: {gap.reason}",
            source=self.adapter_id,
            details={"from_us": str(gap.from_us), "to_us": str(gap.to_us), "reason": gap.reason},
        )


async def _first_to_fail(*works: Coroutine[Any, Any, None]) -> None:
    """Runs all until one raises, ends the others, and raises that."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _devices(config: OpcUaConfig) -> Sequence[Device]:
    """One an asset, in the order of the configuration."""
    rows = sorted(config.rows(), key=lambda one: one[0])
    devices = []
    for asset_id, group in groupby(rows, key=lambda one: one[0]):
        tags = [row for _, row in group]
        rules, signals = tuple(map(rule_of, tags)), tuple(map(signal_rule, tags))
        devices.append(
            Device(
                key=asset_id,
                asset_id=asset_id,
                interval_seconds=0.0,
                names=names(
                    tuple(tag.param for tag in tags), tuple(tag.unit for tag in tags), bytes([Kind.DOUBLE] * len(tags))
                ),
                rules=() if all(rule == EVERY_READING for rule in rules) else rules,
                signals=signals if any(signals) else (),
                peer=config.source.url,
                address=config.source.url,
            )
        )
    return devices
