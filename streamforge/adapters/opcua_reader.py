"""The subscription of one server and what is read besides it, kept over cuts of the link and restarts of the server."""

import time
from collections.abc import Sequence
from itertools import groupby

from asyncua import ua

from streamforge.adapters.base import Batch, silence
from streamforge.adapters.opcua_address import parse_address
from streamforge.adapters.opcua_alarms import Conditions, event_filter, refresh_of
from streamforge.adapters.opcua_browse import RootUnknown, find, item_at
from streamforge.adapters.opcua_config import SERVER_OBJECT, BrowseRow, OpcUaConfig
from streamforge.adapters.opcua_feed import Gap
from streamforge.adapters.opcua_items import Item, ItemTable
from streamforge.adapters.opcua_link import Link
from streamforge.adapters.opcua_server import Server, look, nodes_of, read
from streamforge.adapters.opcua_subscription import (
    Subscription,
    create,
    create_items,
    go_on,
    monitor,
    release,
    unmonitor,
)
from streamforge.adapters.opcua_values import Reading, bad, reading_of
from streamforge.clock import now_us
from streamforge.errors import NotConnected
from streamforge.logs import Log
from streamforge.model import Kind, names

_log = Log("adapter")
REMOVED = "removed"
DELETED = "BadNodeIdUnknown"
# Client handles of the event items; those of values count up from 1.
ALARMS, _CHANGES = 0xFFFF_FFF0, 0xFFFF_FFF1


class Reader:
    """What is known of the server: nothing, until `connect`."""

    def __init__(self, config: OpcUaConfig, link: Link, items: Sequence[Item], conditions: Conditions) -> None:
        self.link = link
        self._config = config
        self._rows = list(items)
        self._browsed: dict[Item, int] = {}
        self._conditions = conditions
        self._server: Server | None = None
        self._subscription: Subscription | None = None
        self._gaps: list[Gap] = []
        self._left_out = ""
        self._alarms_refused = ""
        self.is_root_unknown = False  # of a `[[browse]]` row, when it was looked at last

    @property
    def server(self) -> Server:
        """The server as it showed itself. Raises NotConnected before it did."""
        if self._server is None:
            raise NotConnected(self.link.url)
        return self._server

    @property
    def subscription(self) -> Subscription:
        """The subscription that stands. Raises NotConnected where none does."""
        if self._subscription is None:
            raise NotConnected(self.link.url)
        return self._subscription

    def remarks(self) -> list[str]:
        """What is asked for and the server does not give: the first with its reason, and how many more."""
        parts = [self._left_out, self._alarms_refused]
        if self._subscription is not None:
            table, polled = self._subscription.table, self._subscription.polled
            missing = [(handle, node) for handle, node in polled.items() if isinstance(node, str)]
            missing += [
                (handle, reading.reason)
                for handle in polled
                if (reading := table.last.get(handle)) is not None and reading.reason in _MISTAKES
            ]
            if missing:
                handle, reason = missing[0]
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                parts.append(f"{table.items[handle].parameter}{more}: {reason}")
        return [part for part in parts if part]

    def counts(self) -> dict[str, int]:
        """Items that the server monitors, that are read instead, and samples that its queues could not hold."""
        subscription = self._subscription
        if subscription is None:
            return {}
        return {
            "items_monitored": len(subscription.monitored),
            "items_polled": len(subscription.polled),
            "samples_lost": subscription.table.lost,
        }

    async def connect(self) -> None:
        """A session with its subscription: those of before where they still stand, else new ones, and a gap."""
        is_same = await self.link.open()
        before = self._subscription
        if before is not None and not await self._goes_on(before, is_new_session=not is_same):
            self.forget_subscription("the server has forgotten the subscription")
        if self._server is None or not is_same:
            self._server = await look(self.link.session, self._config.source.profile)
        if self._subscription is None:
            self._subscription = await self._subscribe()
        await self._refresh_alarms()

    async def _goes_on(self, before: Subscription, *, is_new_session: bool) -> bool:
        session = self.link.session
        if is_new_session:
            known = self._server
            now = await look(session, self._config.source.profile)
            # After a restart the number may be that of somebody else's subscription.
            if known is None or now.started != known.started:
                return False
        return await go_on(session, before, is_new_session=is_new_session)

    def forget_subscription(self, reason: str) -> None:
        """It stands no more: what happened since it was heard last is lost."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self.was_away(subscription.feed.heard_us, reason)

    def was_away(self, from_us: int, reason: str) -> None:
        """What happened since then is lost, up to the next time that somebody listens."""
        self._gaps.append(Gap(from_us=from_us, to_us=0, reason=reason))

    def taken_gaps(self) -> list[Gap]:
        """Gaps that were not said yet; they end now."""
        gaps, self._gaps = self._gaps, []
        at_us = now_us()
        return [Gap(from_us=gap.from_us, to_us=gap.to_us or at_us, reason=gap.reason) for gap in gaps]

    async def _subscribe(self) -> Subscription:
        session, settings = self.link.session, self._config.subscription
        browsed = await self._browse()
        table = ItemTable([*self._rows, *browsed])
        self._browsed = {item: handle for handle, item in table.items.items() if handle > len(self._rows)}
        subscription = Subscription(feed=await create(session, settings), table=table)
        await monitor(session, self.server, settings, subscription, dict(table.items))
        await self._listen_for_events(subscription)
        _say_polled(subscription)
        if subscription.shortest_queue < settings.queue_size:
            wanted, given = settings.queue_size, subscription.shortest_queue
            _log.warning("queues_shortened", url=self.link.url, wanted=wanted, given=given)
        return subscription

    async def _browse(self) -> list[Item]:
        """The variables that `[[browse]]` finds and no row names."""
        found: dict[tuple[str, str], Item] = {}
        self._left_out = ""
        self.is_root_unknown = False
        taken = {(item.asset_id, item.parameter) for item in self._rows}
        for row in self._config.browse:
            (root,) = await nodes_of(self.link.session, self.server, [parse_address(row.at)])
            try:
                items = await self._below(row, root)
            except RootUnknown as reason:
                self._left_out, self.is_root_unknown = f"browse {row.at}: {reason}", True
                continue
            for item in items:
                key = (item.asset_id, item.parameter)
                if key not in taken:
                    found.setdefault(key, item)
        return list(found.values())

    async def _below(self, row: BrowseRow, root: ua.NodeId | str) -> list[Item]:
        if isinstance(root, str):
            raise RootUnknown(root)
        variables = await find(self.link.session, self.server, row, root)
        if len(variables) > row.most:
            self._left_out = f"browse {row.at}: more than {row.most} variables, the rest is left out"
        return [
            item_at(row, self._config.output.asset_id, path, node, self.server) for path, node in variables[: row.most]
        ]

    async def browse_again(self) -> list[Batch]:
        """Items of new variables are monitored; those of variables that are gone are BAD, as these batches say."""
        if not self._config.browse:
            return []
        subscription = self.subscription
        now = await self._browse()
        # What cannot be looked at is not gone: the server may be taking a new program.
        gone = {} if self.is_root_unknown else {item: at for item, at in self._browsed.items() if item not in now}
        await unmonitor(self.link.session, subscription, list(gone.values()), self.server.limits.monitored)
        more = subscription.table.add(item for item in now if item not in self._browsed)
        await monitor(self.link.session, self.server, self._config.subscription, subscription, more)
        self._browsed = {item: handle for item, handle in self._browsed.items() if item not in gone}
        self._browsed |= {item: handle for handle, item in more.items()}
        if gone or more:
            _log.info("nodes_changed", url=self.link.url, more=len(more), gone=len(gone))
        return _silent(gone, REMOVED)

    def silent_browsed(self, reason: str) -> list[Batch]:
        """What no row names is BAD while the link is down, too."""
        return _silent(self._browsed, reason)

    async def read_polled(self) -> list[tuple[Item, Reading]]:
        """The items that are not monitored, read now; their time is the middle between question and answer."""
        subscription = self.subscription
        polled, items = subscription.polled, subscription.table.items
        nodes = {handle: node for handle, node in polled.items() if isinstance(node, ua.NodeId)}
        found: list[tuple[Item, Reading]] = [
            (items[handle], bad(node, now_us())) for handle, node in polled.items() if isinstance(node, str)
        ]
        if nodes:
            began = time.monotonic_ns()
            values = await read(self.link.session, list(nodes.values()), self.server.limits.reads)
            sampled_us = now_us() - (time.monotonic_ns() - began) // 2000
            for handle, value in zip(nodes, values, strict=True):
                reading = reading_of(value, items[handle].form, sampled_us)
                found.append((items[handle], subscription.table.note(handle, reading)))
        return found

    async def retry_polled(self) -> None:
        """A server that did not monitor an item may do so now; a node that was deleted may be there again."""
        subscription, last = self.subscription, self.subscription.table.last
        gone = [one for one in subscription.monitored if one in last and last[one].reason == DELETED]
        await release(self.link.session, subscription, gone, self.server.limits.monitored)
        again = {handle: subscription.table.items[handle] for handle in (*subscription.polled, *gone)}
        await monitor(self.link.session, self.server, self._config.subscription, subscription, again)

    async def _listen_for_events(self, subscription: Subscription) -> None:
        settings = self._config.subscription
        requests = []
        if settings.alarms:
            (node,) = await nodes_of(self.link.session, self.server, [parse_address(settings.alarms_at)])
            if isinstance(node, ua.NodeId):
                requests.append(_events(node, ALARMS, settings.queue_size))
        if self._config.browse and not (settings.alarms and settings.alarms_at == SERVER_OBJECT):
            requests.append(_events(ua.NodeId(ua.ObjectIds.Server), _CHANGES, 10))
        results = await create_items(self.link.session, self.server, subscription.feed, requests)
        refused = [
            result.StatusCode.name
            for request, result in zip(requests, results, strict=True)
            if not result.StatusCode.is_good() and request.RequestedParameters.ClientHandle == ALARMS
        ]
        self._alarms_refused = f"alarms of {settings.alarms_at}: {refused[0]}" if refused else ""

    async def _refresh_alarms(self) -> None:
        """What stands is said again: after a new subscription all of it is news, after a cut what was missed is."""
        if not self._config.subscription.alarms or self._alarms_refused:
            return
        (result,) = await self.link.session.call([refresh_of(self.subscription.feed.subscription_id)])
        if not result.StatusCode.is_good():
            self._alarms_refused = f"ConditionRefresh: {result.StatusCode.name}"


_MISTAKES = {"BadNodeIdUnknown", "BadNodeIdInvalid", "BadAttributeIdInvalid", "BadNotReadable", "BadUserAccessDenied"}


def _say_polled(subscription: Subscription) -> None:
    if subscription.polled:
        handle, node = next(iter(subscription.polled.items()))
        reason = node if isinstance(node, str) else subscription.refused.get(handle, "more items than the server bears")
        first = subscription.table.items[handle].parameter
        _log.warning("items_polled", count=len(subscription.polled), first=first, reason=reason)


def _silent(items: dict[Item, int], reason: str) -> list[Batch]:
    found = []
    for asset_id, group in groupby(sorted(items, key=lambda item: item.asset_id), key=lambda item: item.asset_id):
        parameters = tuple(item.parameter for item in group)
        columns = names(parameters, ("",) * len(parameters), bytes([Kind.DOUBLE] * len(parameters)))
        found.append(silence(asset_id, columns, reason))
    return found


def _events(node: ua.NodeId, handle: int, queue_size: int) -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.EventNotifier),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=handle,
            SamplingInterval=0.0,
            QueueSize=queue_size,
            DiscardOldest=True,
            Filter=event_filter(),
        ),
    )
