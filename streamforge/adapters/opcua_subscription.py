"""Makes a subscription and its monitored items; what a server does not monitor is read instead, item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import UaStatusCodeError

from streamforge.adapters.opcua_address import element_of
from streamforge.adapters.opcua_config import Subscription as Settings
from streamforge.adapters.opcua_feed import Feed, Message, SubscriptionLost
from streamforge.adapters.opcua_items import Item, ItemTable, wanted
from streamforge.adapters.opcua_server import Server, in_chunks, nodes_of
from streamforge.clock import now_us

LIFETIME_MS = 600_000
MOST_NOTIFICATIONS = 2_000
Items = Mapping[int, Item]
_TRANSFERRED = {ua.StatusCodes.Good, ua.StatusCodes.BadNothingToDo}


@dataclass(slots=True, kw_only=True)
class Subscription:
    """One subscription: `polled` holds the items that are read, by handle, with their node or why they have none.

    `monitored` are the ids that the server gave, by handle. `replayed` is what the server kept while the link was
    down, as far as it was asked for yet.
    """

    feed: Feed
    table: ItemTable
    polled: dict[int, ua.NodeId | str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    shortest_queue: int = 1 << 32
    monitored: dict[int, int] = field(default_factory=dict)
    replayed: Message | None = None
    is_resumed: bool = False


def _not_called(_: Any) -> None:
    """`Feed` publishes by itself."""


async def create(session: UaSession, settings: Settings) -> Feed:
    """A subscription without items. It outlives three keep-alives that are missed, and cuts of some minutes."""
    keep_alives = max(1, round(settings.keep_alive_s * 1000 / settings.publish_ms))
    parameters = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=float(settings.publish_ms),
        RequestedMaxKeepAliveCount=keep_alives,
        RequestedLifetimeCount=max(3 * keep_alives, LIFETIME_MS // settings.publish_ms),
        MaxNotificationsPerPublish=MOST_NOTIFICATIONS,
        PublishingEnabled=True,
    )
    revised = await session.create_subscription(parameters, _not_called)
    seconds = revised.RevisedPublishingInterval * revised.RevisedMaxKeepAliveCount / 1000
    return Feed(subscription_id=revised.SubscriptionId, keep_alive_seconds=seconds, heard_us=now_us())


async def monitor(session: UaSession, server: Server, settings: Settings, made: Subscription, more: Items) -> None:
    """Ask for these items, by handle; those that the server does not monitor are in `made.polled` then."""
    nodes = dict(zip(more, await nodes_of(session, server, [one.address for one in more.values()]), strict=True))
    room = server.limits.items - len(made.monitored) if server.limits.items else len(nodes)
    found = [(handle, node) for handle, node in nodes.items() if isinstance(node, ua.NodeId)]
    requests = [
        wanted(node, handle, more[handle].sampling_ms or settings.sampling_ms, settings.queue_size)
        for handle, node in found[: max(0, room)]
    ]
    results = await create_items(session, server, made.feed, requests)
    elements: dict[int, Item] = {}
    for (handle, _), result in zip(found, results, strict=False):
        if result.StatusCode.is_good():
            made.monitored[handle] = result.MonitoredItemId
            made.shortest_queue = min(made.shortest_queue, result.RevisedQueueSize)
            del nodes[handle]
        elif element := _as_element(more[handle], result.StatusCode.value):
            made.table.items[handle] = elements[handle] = element
            del nodes[handle]
        else:
            made.refused[handle] = result.StatusCode.name
    made.polled = {handle: node for handle, node in made.polled.items() if handle not in more} | nodes
    if elements:
        await monitor(session, server, settings, made, elements)


def _as_element(item: Item, code: int) -> Item | None:
    """`T1[3]` of which there is no node: member 3 of the array T1."""
    address = element_of(item.address) if code == ua.StatusCodes.BadNodeIdUnknown else None
    return replace(item, address=address, form=replace(item.form, element=address.element)) if address else None


async def create_items(
    session: UaSession, server: Server, feed: Feed, requests: Sequence[ua.MonitoredItemCreateRequest]
) -> list[Any]:
    """One result each (`ua.MonitoredItemCreateResult`); what is wrong with an item is its status, never raised."""

    async def ask(part: Sequence[ua.MonitoredItemCreateRequest]) -> Any:
        parameters = ua.CreateMonitoredItemsParameters(
            SubscriptionId=feed.subscription_id,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=list(part),
        )
        return await session.create_monitored_items(parameters)

    return await in_chunks(requests, server.limits.monitored, ask)


async def unmonitor(session: UaSession, subscription: Subscription, handles: Sequence[int], size: int) -> None:
    """Items that are read no more."""
    await release(session, subscription, handles, size)
    subscription.table.drop(handles)
    for handle in handles:
        subscription.polled.pop(handle, None)


async def release(session: UaSession, subscription: Subscription, handles: Sequence[int], size: int) -> None:
    """Have the server monitor these no more; they are still read."""
    ids = [subscription.monitored.pop(handle) for handle in handles if handle in subscription.monitored]

    async def ask(part: Sequence[int]) -> Any:
        parameters = ua.DeleteMonitoredItemsParameters(
            SubscriptionId=subscription.feed.subscription_id, MonitoredItemIds=list(part)
        )
        return await session.delete_monitored_items(parameters)

    await in_chunks(ids, size, ask)


async def go_on(session: UaSession, subscription: Subscription, *, is_new_session: bool) -> bool:
    """Whether the subscription still stands at the server; then what it kept meanwhile can be had, the first of it is.

    A subscription that belongs to this session already is no failure of the transfer (BadNothingToDo).
    """
    feed = subscription.feed
    try:
        if is_new_session and not await _is_transferred(session, feed):
            return False
        subscription.table.heard.clear()
        # One that stands here already, for the link went again before it was handed over, is not asked for twice.
        subscription.replayed = subscription.replayed or await feed.resume(session)
    except SubscriptionLost:
        return False
    subscription.is_resumed = True
    return True


async def _is_transferred(session: UaSession, feed: Feed) -> bool:
    parameters = ua.TransferSubscriptionsParameters(SubscriptionIds=[feed.subscription_id], SendInitialValues=False)
    try:
        (result,) = await session.transfer_subscriptions(parameters)
    except UaStatusCodeError as error:
        return error.code in _TRANSFERRED
    return result.StatusCode.value in _TRANSFERRED
