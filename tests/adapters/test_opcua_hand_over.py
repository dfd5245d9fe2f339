"""One message of a server goes to the log as a whole, also when the link is lost while the log has no room for more."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from asyncua import ua

from streamforge.adapters.base import Batch, Refused, nothing
from streamforge.adapters.opcua import OpcUa
from streamforge.adapters.opcua_address import parse_address
from streamforge.adapters.opcua_config import Mode, OpcUaConfig, Output, Policy, Source
from streamforge.adapters.opcua_config import Subscription as Settings
from streamforge.adapters.opcua_feed import Feed, Message
from streamforge.adapters.opcua_items import Item, ItemTable
from streamforge.adapters.opcua_subscription import Subscription
from streamforge.model import Alarm, Event

AT = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


class FullInbox:
    """Takes what it is given, and has no room for more."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def put(self, batch: Batch) -> None:
        self.batches.append(batch)
        await asyncio.Event().wait()

    def offer(self, batch: Batch) -> None:
        self.batches.append(batch)

    def signal(self, signal: Event | Alarm, done: Callable[[], None] = nothing) -> None:
        raise AssertionError

    def refuse(self, refused: Refused, done: Callable[[], None] = nothing) -> None:
        raise AssertionError


def test_all_assets_of_a_message_are_handed_over_though_the_link_goes_meanwhile(tmp_path: Path) -> None:
    source = Source(endpoint="opc.tcp://127.0.0.1:1", security_policy=Policy.NONE, security_mode=Mode.NONE)
    adapter = OpcUa(OpcUaConfig(source=source, output=Output(asset_id="a"), subscription=Settings(alarms=True)))
    adapter.place("line", tmp_path)
    items = [Item(asset_id=asset, parameter="T", address=parse_address("ns=2;s=T")) for asset in ("a", "b", "c")]
    feed = Feed(subscription_id=7, keep_alive_seconds=10.0, last=4)
    adapter._reader._subscription = Subscription(feed=feed, table=ItemTable(items))
    value = ua.DataValue(Value=ua.Variant(1.5), SourceTimestamp=AT)
    notes = [ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle in (1, 2, 3)]
    told: list[str] = []
    message = Message(data=[ua.DataChangeNotification(MonitoredItems=notes)], done=lambda: told.append("done"))
    inbox = FullInbox()

    async def main() -> None:
        handing_over = asyncio.create_task(adapter._hand_over(message, inbox))
        await asyncio.sleep(0.01)
        handing_over.cancel()  # as when another task finds the link gone
        await asyncio.gather(handing_over, return_exceptions=True)

    asyncio.run(main())
    assert [batch.asset_id for batch in inbox.batches] == ["a", "b", "c"]
    for batch in inbox.batches:
        assert told == []
        batch.done()
    assert told == ["done"], "and then the server may forget it"
