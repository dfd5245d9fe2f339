"""Subscriptions and items against servers that refuse, shorten, forget, or find nothing to do."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError

from streamforge.adapters.opcua_address import parse_address
from streamforge.adapters.opcua_config import Subscription as Settings
from streamforge.adapters.opcua_feed import Feed
from streamforge.adapters.opcua_items import Item, ItemTable
from streamforge.adapters.opcua_limits import Limits, Profile
from streamforge.adapters.opcua_server import Server
from streamforge.adapters.opcua_subscription import Subscription, create, go_on, monitor

SETTINGS = Settings(publish_ms=500, sampling_ms=250, queue_size=240, keep_alive_s=10)


@dataclass
class Fake:
    """A session that answers as told and keeps what it was asked."""

    refused: dict[str, int] = field(default_factory=dict)
    queue: int = 240
    transfer: int = 0
    is_fault: bool = False
    is_known: bool = True
    kept: tuple[int, ...] = ()
    created: list[Any] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def create_subscription(self, parameters: Any, _callback: Any) -> Any:
        self.created.append(parameters)
        return ua.CreateSubscriptionResult(
            SubscriptionId=7,
            RevisedPublishingInterval=parameters.RequestedPublishingInterval * 2,
            RevisedMaxKeepAliveCount=parameters.RequestedMaxKeepAliveCount,
        )

    async def create_monitored_items(self, parameters: Any) -> list[Any]:
        self.sizes.append(len(parameters.ItemsToCreate))
        self.created += parameters.ItemsToCreate
        return [
            ua.MonitoredItemCreateResult(
                StatusCode=ua.StatusCode(self.refused.get(one.ItemToMonitor.NodeId.Identifier, 0)),
                MonitoredItemId=100 + one.RequestedParameters.ClientHandle,
                RevisedQueueSize=self.queue,
            )
            for one in parameters.ItemsToCreate
        ]

    async def translate_browsepaths_to_nodeids(self, paths: list[Any]) -> list[Any]:
        return [ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadNoMatch)) for _ in paths]

    async def transfer_subscriptions(self, _parameters: Any) -> list[Any]:
        if self.is_fault:
            raise UaStatusCodeError(self.transfer)
        return [ua.TransferResult(StatusCode=ua.StatusCode(self.transfer))]

    async def republish(self, _subscription: int, number: int) -> Any:
        if number in self.kept:
            return ua.NotificationMessage(SequenceNumber=number, NotificationData=[f"message {number}"])
        known, unknown = ua.StatusCodes.BadMessageNotAvailable, ua.StatusCodes.BadSubscriptionIdInvalid
        raise UaStatusCodeError(known if self.is_known else unknown)


def server(**limits: int) -> Server:
    return Server(namespaces=("", "", "urn:plant"), started=None, profile=Profile.UNKNOWN, limits=Limits(**limits))


def made(*names: str) -> Subscription:
    items = [Item(asset_id="a", parameter=name, address=parse_address(f"ns=2;s={name}")) for name in names]
    return Subscription(feed=Feed(subscription_id=7, keep_alive_seconds=10.0, last=4), table=ItemTable(items))


def monitored(fake: Fake, subscription: Subscription, known: Server) -> None:
    asyncio.run(monitor(fake, known, SETTINGS, subscription, dict(subscription.table.items)))


def test_a_subscription_asks_for_keep_alives_soon_and_outlives_a_cut_of_minutes() -> None:
    fake = Fake()
    feed = asyncio.run(create(fake, SETTINGS))
    (asked,) = fake.created
    assert (asked.RequestedPublishingInterval, asked.RequestedMaxKeepAliveCount) == (500.0, 20)
    assert asked.RequestedLifetimeCount * 0.5 == 600.0
    assert feed.keep_alive_seconds == 20.0, "as the server revised it"
    assert feed.silence_seconds > feed.keep_alive_seconds


def test_an_item_leaves_nothing_to_the_servers_choice() -> None:
    fake, subscription = Fake(), made("T1")
    monitored(fake, subscription, server())
    asked = fake.created[0].RequestedParameters
    assert (asked.SamplingInterval, asked.QueueSize, asked.DiscardOldest) == (250.0, 240, True)


def test_an_item_may_have_an_interval_of_its_own() -> None:
    fake, subscription = Fake(), made("T1", "T2")
    subscription.table.items[2] = replace(subscription.table.items[2], sampling_ms=1000)
    monitored(fake, subscription, server())
    assert [one.RequestedParameters.SamplingInterval for one in fake.created] == [250.0, 1000.0]


def test_items_go_in_chunks_that_the_server_bears() -> None:
    fake, subscription = Fake(), made(*(f"T{n}" for n in range(5)))
    monitored(fake, subscription, server(monitored=2))
    assert fake.sizes == [2, 2, 1]
    assert subscription.polled == {}


def test_an_item_that_is_refused_is_polled_and_the_others_are_not() -> None:
    fake = Fake(refused={"T2": ua.StatusCodes.BadTooManyMonitoredItems})
    subscription = made("T1", "T2", "T3")
    monitored(fake, subscription, server())
    assert [subscription.table.items[handle].parameter for handle in subscription.polled] == ["T2"]
    assert subscription.refused == {2: "BadTooManyMonitoredItems"}
    fake.refused = {}
    again = {2: subscription.table.items[2]}
    asyncio.run(monitor(fake, server(), SETTINGS, subscription, again))
    assert subscription.polled == {}, "it is asked for again"


def test_more_items_than_the_server_bears_are_polled() -> None:
    fake, subscription = Fake(), made("T1", "T2", "T3")
    monitored(fake, subscription, server(items=2))
    assert list(subscription.polled) == [3]


def test_a_bracket_is_a_member_where_no_node_has_all_of_the_text() -> None:
    fake, subscription = Fake(refused={"T1[3]": ua.StatusCodes.BadNodeIdUnknown}), made("T1[3]", "T2[4]")
    monitored(fake, subscription, server())
    assert [one.ItemToMonitor.NodeId.Identifier for one in fake.created] == ["T1[3]", "T2[4]", "T1"]
    assert [item.form.element for item in subscription.table.items.values()] == [3, -1]
    assert subscription.polled == {}


def test_queues_that_the_server_shortens_are_known() -> None:
    fake, subscription = Fake(queue=10), made("T1")
    monitored(fake, subscription, server())
    assert subscription.shortest_queue == 10


@pytest.mark.parametrize("is_fault", [False, True])
@pytest.mark.parametrize(
    ("code", "goes_on"),
    [
        (ua.StatusCodes.Good, True),
        (ua.StatusCodes.BadNothingToDo, True),
        (ua.StatusCodes.BadSubscriptionIdInvalid, False),
        (ua.StatusCodes.BadUserAccessDenied, False),
        (ua.StatusCodes.BadServiceUnsupported, False),
    ],
)
def test_nothing_to_do_at_a_transfer_is_no_failure(code: int, goes_on: bool, is_fault: bool) -> None:
    if is_fault and code == ua.StatusCodes.Good:
        return
    fake = Fake(transfer=code, is_fault=is_fault)
    assert asyncio.run(go_on(fake, made("T1"), is_new_session=True)) is goes_on


def test_in_the_same_session_nothing_is_transferred() -> None:
    fake = Fake(transfer=ua.StatusCodes.BadUserAccessDenied)
    subscription = made("T1")
    assert asyncio.run(go_on(fake, subscription, is_new_session=False))
    assert subscription.is_resumed


def test_a_transfer_that_went_well_of_a_subscription_that_is_gone_is_believed_no_further() -> None:
    fake = Fake(transfer=ua.StatusCodes.BadNothingToDo, is_known=False)
    assert not asyncio.run(go_on(fake, made("T1"), is_new_session=True))


def test_what_was_asked_for_again_is_not_forgotten_when_the_link_goes_once_more() -> None:
    subscription = made("T1")
    for _ in range(2):
        assert asyncio.run(go_on(Fake(kept=(5, 6)), subscription, is_new_session=False))
        assert subscription.replayed is not None
        assert subscription.replayed.data == ["message 5"]
