"""The unit's work for an adapter: what runs it, by how its readings come about."""

import os
from pathlib import Path
from typing import Any

from streamforge.adapters.base import Adapter, Poller, Subscriber
from streamforge.adapters.poller import PollerComponent
from streamforge.adapters.subscriber import SubscriberComponent
from streamforge.bus.connection import Connection
from streamforge.errors import Fatal
from streamforge.service import Component


def component(adapter: Adapter[Any], kind: str, instance: str) -> Component:
    """With broker and state directory from the environment. Raises Fatal for an adapter that is neither kind."""
    state = Path(os.environ.get("STATE_DIRECTORY", f"/var/lib/streamforge/state/adapter-{kind}@{instance}"))
    connection = Connection.from_environment(f"adapter-{kind}")
    if isinstance(adapter, Poller):
        return PollerComponent(adapter, kind, instance, connection=connection, state_directory=state)
    if isinstance(adapter, Subscriber):
        return SubscriberComponent(adapter, kind, instance, connection=connection, state_directory=state)
    raise Fatal(f"{kind}: no runner for {type(adapter).__name__}")
