"""An OPC UA server whose items all change at a pace: it measures the one who subscribed.

Notifications are put into the server's subscriptions as they are: to write each value through the address space would
cost the server more than it costs the client to read it.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua

NAMESPACE = "urn:streamforge:bench"
_A_FOLDER = 100


def run(port: int, items: int, cycles_per_second: int) -> None:
    """Serve until killed."""
    logging.disable(logging.CRITICAL)
    asyncio.run(_serve(port, items, cycles_per_second))


async def _serve(port: int, items: int, cycles_per_second: int) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    await _add(server, index, items)
    await server.start()
    service, cycle, due = server.iserver.subscription_service, 0, time.monotonic()
    while True:
        due = max(due + 1 / cycles_per_second, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
        cycle += 1
        for subscription in list(service.subscriptions.values()):
            _change_all(subscription, float(cycle))


async def _add(server: Server, index: int, items: int) -> None:
    """In folders: the library looks through all that stand beside a new one."""
    folder: Any = None
    for number in range(items):
        if number % _A_FOLDER == 0:
            folder = await server.nodes.objects.add_folder(ua.NodeId(f"f{number}", index), f"{index}:f{number}")
        await folder.add_variable(ua.NodeId(number + 1, index), f"{index}:v{number}", 0.0)


def _change_all(subscription: Any, value: float) -> None:
    """One new value of each item that a client of this subscription monitors."""
    now = datetime.now(UTC).replace(tzinfo=None)  # the library's times
    data = ua.DataValue(Value=ua.Variant(value, ua.VariantType.Double), SourceTimestamp=now)
    waiting = subscription._triggered_datachanges  # noqa: SLF001 - the library has no other door
    for number, item in subscription.monitored_item_srv._monitored_items.items():  # noqa: SLF001
        change = ua.MonitoredItemNotification()
        change.ClientHandle, change.Value = item.client_handle, data
        waiting.setdefault(number, []).append(change)
