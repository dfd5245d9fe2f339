"""Browsing again while the server cannot show what it has, as when a new program is loaded."""

import asyncio
from typing import Any

from asyncua import ua

from streamforge.adapters.opcua_alarms import Conditions
from streamforge.adapters.opcua_config import BrowseRow, Mode, OpcUaConfig, Policy, Source
from streamforge.adapters.opcua_feed import Feed
from streamforge.adapters.opcua_items import ItemTable
from streamforge.adapters.opcua_limits import Limits, Profile
from streamforge.adapters.opcua_reader import Reader
from streamforge.adapters.opcua_server import Server
from streamforge.adapters.opcua_subscription import Subscription

CONFIG = OpcUaConfig(
    source=Source(endpoint="opc.tcp://127.0.0.1:1", security_policy=Policy.NONE, security_mode=Mode.NONE),
    browse=(BrowseRow(at="ns=2;s=Plant", asset_id="boiler"),),
)


class Plc:
    """A session and its link: one variable below the node, as long as the program is there."""

    url = "opc.tcp://127.0.0.1:1"
    is_loading = False

    @property
    def session(self) -> "Plc":
        return self

    async def browse(self, _parameters: Any) -> list[Any]:
        if self.is_loading:
            return [ua.BrowseResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown), References=None)]
        variable = ua.ReferenceDescription(
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.Organizes),
            NodeId=ua.ExpandedNodeId("PT101", 2),
            BrowseName=ua.QualifiedName("PT101", 2),
            NodeClass=ua.NodeClass.Variable,
        )
        return [ua.BrowseResult(StatusCode=ua.StatusCode(0), References=[variable])]

    async def translate_browsepaths_to_nodeids(self, paths: list[Any]) -> list[Any]:
        assert paths == []
        return []

    async def create_monitored_items(self, parameters: Any) -> list[Any]:
        return [ua.MonitoredItemCreateResult(MonitoredItemId=1, RevisedQueueSize=9) for _ in parameters.ItemsToCreate]

    async def delete_monitored_items(self, parameters: Any) -> list[Any]:
        assert not parameters.MonitoredItemIds
        return []


def test_what_the_server_cannot_show_for_a_while_is_not_gone() -> None:
    plc = Plc()
    reader = Reader(CONFIG, plc, [], Conditions("line", "boiler"))  # type: ignore[arg-type] # of a link only this
    reader._server = Server(namespaces=("", "", "urn:plant"), started=None, profile=Profile.UNKNOWN, limits=Limits())
    feed = Feed(subscription_id=7, keep_alive_seconds=10.0)
    reader._subscription = subscription = Subscription(feed=feed, table=ItemTable([]))
    assert asyncio.run(_again(reader)) == []
    (item,) = subscription.table.items.values()
    plc.is_loading = True
    assert asyncio.run(_again(reader)) == [], "it is BAD by itself where the server says so"
    assert list(subscription.table.items.values()) == [item]
    assert (reader.is_root_unknown, reader.remarks()) == (True, ["browse ns=2;s=Plant: BadNodeIdUnknown"])
    plc.is_loading = False
    assert asyncio.run(_again(reader)) == []
    assert (reader.is_root_unknown, reader.remarks()) == (False, [])


async def _again(reader: Reader) -> list[Any]:
    return list(await reader.browse_again())
