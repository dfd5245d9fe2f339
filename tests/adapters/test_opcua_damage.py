"""Notifications with bytes changed, as nobody sends them but on purpose: read or refused, soon and in little memory."""

import random
import resource
import time
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, variant_from_binary, variant_to_binary
from asyncua.ua.uaerrors import UaError

from streamforge.adapters.opcua_address import NodeAddress
from streamforge.adapters.opcua_feed import MALFORMED
from streamforge.adapters.opcua_guard import bound_the_library
from streamforge.adapters.opcua_items import Item, ItemTable, batches
from tests.adapters.mutations import MANY

AT = datetime(2026, 11, 27, tzinfo=UTC)
V = ua.VariantType
VALUES = (
    ua.Variant(5, V.Int64),
    ua.Variant((1 << 63) + 5, V.UInt64),
    ua.Variant(1.5, V.Double),
    ua.Variant("text", V.String),
    ua.Variant([1.5, 2.5], V.Double),
    ua.Variant(Value=True, VariantType=V.Boolean),
    ua.Variant(ua.LocalizedText("text"), V.LocalizedText),
    ua.Variant(AT, V.DateTime),
    ua.Variant(b"ab", V.ByteString),
    ua.Variant(ua.Argument(Name="x"), V.ExtensionObject),
)
FRAMES = 1_500
HEADER = 24


@pytest.fixture(autouse=True, scope="module")
def bounded() -> None:
    bound_the_library()


def notification() -> bytes:
    """A publish response that holds one value of each kind."""
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 7
    message = response.Parameters.NotificationMessage
    message.SequenceNumber = 3
    notes = [
        ua.MonitoredItemNotification(
            ClientHandle=handle, Value=ua.DataValue(Value=value, SourceTimestamp=AT, ServerTimestamp=AT)
        )
        for handle, value in enumerate(VALUES, 1)
    ]
    message.NotificationData = [ua.DataChangeNotification(MonitoredItems=notes)]
    packed: bytes = struct_to_binary(response)
    return packed


def readings(frame: bytes) -> int:
    """How many readings come of a frame."""
    response = struct_from_binary(ua.PublishResponse, Buffer(frame))
    items = [Item(asset_id="a", parameter=f"p{n}", address=NodeAddress(name="1")) for n in range(len(VALUES))]
    table = ItemTable(items)
    data = response.Parameters.NotificationMessage.NotificationData or []
    found = [
        batches(table.take(part.MonitoredItems or [])) for part in data if isinstance(part, ua.DataChangeNotification)
    ]
    return sum(len(batch.values) for part in found for batch in part)


def test_the_frame_is_read_whole() -> None:
    assert readings(notification()) == len(VALUES)


def test_an_array_of_nulls_takes_no_more_memory_than_its_bytes_are_worth() -> None:
    with pytest.raises(UaError, match="2147483647 nulls"):
        variant_from_binary(Buffer(b"\x80\xff\xff\xff\x7f"))
    few = ua.Variant([None, None], V.Null, is_array=True)
    assert variant_from_binary(Buffer(variant_to_binary(few))).Value == [None, None]


@pytest.mark.parametrize("count", [FRAMES, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_a_damaged_frame_is_read_or_refused_by_a_name(count: int) -> None:
    chance, good = random.Random(7), notification()
    before_kb, slowest, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0, 0
    for _ in range(count):
        frame = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            frame[chance.randrange(HEADER, len(frame))] = chance.choice((0, 255, 127, 128, chance.randrange(256)))
        began = time.process_time()
        try:
            readings(bytes(frame))
        except (UaError, *MALFORMED):
            refused += 1
        slowest = max(slowest, time.process_time() - began)
    assert 0 < refused < count
    assert slowest < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 32 * 1024
