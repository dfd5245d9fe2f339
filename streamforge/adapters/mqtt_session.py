"""One session with a broker, over all its connections: what is asked for, what came, what may be acknowledged.

Whoever reads it says what the messages mean, and calls `done` when the log has them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from streamforge.adapters.mqtt_acks import Acks, Ticket
from streamforge.adapters.mqtt_connection import Connection
from streamforge.adapters.mqtt_publish import Published
from streamforge.adapters.mqtt_source import Source
from streamforge.adapters.mqtt_subscriptions import REFUSED, SubscriptionFile
from streamforge.adapters.mqtt_wire import dial
from streamforge.errors import NotConnected

MESSAGES_AT_ONCE = 500


class Session:
    """Asks for `filters` (filter -> QoS). Messages wait here, in order, until they are taken."""

    def __init__(
        self,
        source: Source,
        filters: Mapping[str, int],
        *,
        is_passing: bool = False,
        granted: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        """`is_passing`: of a visitor, for whom the broker keeps nothing. `granted` is told filter -> QoS."""
        self.peer = f"{source.host}:{source.port}"
        self.acks = Acks()
        self.is_present = False  # whether the broker had kept it at the last connection
        self.is_answered = True
        self.not_granted: tuple[str, ...] = ()
        self._source, self._filters, self._is_passing = source, dict(filters), is_passing
        self._told = granted
        self._waiting: deque[Ticket] = deque()
        self._connection: Connection | None = None

    @property
    def is_full(self) -> bool:
        """Whether messages are to wait with the broker."""
        return self.acks.is_full

    async def open(self, state_directory: Path | None) -> None:
        """Connect, and ask for the topics. Raises NotConnected in words of the system's or the broker's."""
        self.close()
        wire = await dial(self._source)
        connection = self._connection = Connection(wire, self._source, self, is_passing=self._is_passing)
        try:
            self.is_present = await connection.open()
        except NotConnected:
            connection.close()
            raise
        self._subscribe(connection, SubscriptionFile(state_directory, f"{self._source.client_id}@{self.peer}"))

    def _subscribe(self, connection: Connection, file: SubscriptionFile) -> None:
        """Ask, unless the broker kept the session in which we asked for the very same."""
        asked = file.load() if self.is_present else {}
        if asked == self._filters:
            return
        if gone := [name for name in asked if name not in self._filters]:
            connection.unsubscribe(gone)
        self.is_answered = False
        connection.subscribe(self._filters, partial(self._granted, file))

    def _granted(self, file: SubscriptionFile, granted: Mapping[str, int]) -> None:
        self.is_answered = True
        self.not_granted = tuple(name for name, qos in granted.items() if qos >= REFUSED)
        self._told(granted)
        if not self.not_granted:
            file.save(self._filters)

    def opened(self, *, is_session_present: bool) -> None:
        """The broker takes us; before the first message."""
        if self._connection is not None:
            self.acks.opened(self._connection.acknowledge, is_session_present=is_session_present)

    def arrived(self, message: Published) -> None:
        """A message, unless it is a repeat of one that is on its way to the log already."""
        ticket = self.acks.arrived(message)
        if ticket is not None:
            self._waiting.append(ticket)

    async def take(self, timeout_seconds: float) -> list[Ticket]:
        """What has come, in order; none after this time. Raises NotConnected when it is gone, and all was taken."""
        connection = self._connection
        if connection is None:
            raise NotConnected(f"{self.peer}: closed")
        if not self._waiting and not connection.lost:
            connection.changed.clear()
            with suppress(TimeoutError):  # not wait_for: that of Python 3.11 may swallow that it is cancelled
                async with asyncio.timeout(timeout_seconds):
                    await connection.changed.wait()
        if not self._waiting and connection.lost:
            self.acks.lost()
            raise NotConnected(f"{self.peer}: {connection.lost}")
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MESSAGES_AT_ONCE))]

    def done(self, tickets: Sequence[Ticket]) -> None:
        """The log has a part of each of these messages."""
        self.acks.done(tickets)
        if self._connection is not None and not self.acks.is_full:
            self._connection.resume()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0, if the connection stands."""
        if self._connection is not None:
            self._connection.publish(topic, payload)

    def remarks(self) -> list[str]:
        """What a person should look at, in words."""
        unanswered = [] if self.is_answered else ["the broker has not answered our subscription yet"]
        return [*unanswered, *(f"the broker does not grant {name}" for name in self.not_granted)]

    def details(self) -> dict[str, object]:
        """For health and page; JSON's types."""
        return {
            "broker": self._source.broker,
            "client_id": self._source.client_id,
            "is_session_present": self.is_present,
            "unacknowledged": self.acks.held,
            "redelivered": self.acks.redelivered,
            "recognised": self.acks.recognised,
        }

    def close(self) -> None:
        """Say goodbye, which leaves the session with the broker; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self.acks.lost()
