"""MQTT 3.1.1 and 5, with Sparkplug B inside: what devices publish becomes readings. It publishes nothing by itself.

A message is acknowledged when the log has all of it, in the order in which messages came; until then the broker keeps
it in the session of our client id, whatever happens to this process.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic

from streamforge.adapters import sparkplug_file
from streamforge.adapters.base import Device, Inbox, Refused, ReportRule, SignalRule, Subscriber
from streamforge.adapters.mqtt_acks import Acks, Ticket
from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_connection import Connection
from streamforge.adapters.mqtt_gather import Gather
from streamforge.adapters.mqtt_publish import Published
from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.mqtt_routes import Routes, devices_of
from streamforge.adapters.mqtt_seen import Seen
from streamforge.adapters.mqtt_subscriptions import REFUSED, SubscriptionFile, wanted
from streamforge.adapters.mqtt_wire import dial
from streamforge.adapters.sparkplug import PREFIX, Sparkplug, Told
from streamforge.adapters.sparkplug_wire import rebirth
from streamforge.clock import now_us
from streamforge.errors import NotConnected

MESSAGES_AT_ONCE = 500
LOOK_SECONDS = 1.0


class Mqtt(Subscriber[MqttConfig]):
    """One instance: one session with one broker."""

    Config = MqttConfig
    can_wait = True

    def __init__(self, config: MqttConfig) -> None:
        super().__init__(config)
        source = config.source
        self._peer = f"{source.host}:{source.port}"
        self._wanted = wanted(config)
        self._routes = Routes(config.topics)
        self._devices = tuple(devices_of(config.topics, self._peer))
        self._acks = Acks()
        self._gather = Gather(self._done)
        self._seen = Seen()
        self._waiting: deque[tuple[Ticket, bool]] = deque()
        self._connection: Connection | None = None
        self._is_session_present = False
        self._unanswered: tuple[str, ...] = ()
        self._not_granted: tuple[str, ...] = ()
        self._sparkplug: Sparkplug | None = None
        self._saved_seconds = 0.0

    @property
    def peers(self) -> Sequence[str]:
        return (self._peer,)

    @property
    def devices(self) -> Sequence[Device]:
        return self._devices

    def rules_of(self, asset_id: str, parameter: str) -> tuple[ReportRule, SignalRule | None] | None:
        found = self._routes.rules_of(asset_id, parameter)
        return found or (self._sparkplug.rules_of(asset_id, parameter) if self._sparkplug is not None else None)

    @property
    def is_full(self) -> bool:
        """Whether messages are to wait with the broker."""
        return self._acks.is_full

    async def connect(self, peer: str) -> None:
        await self.close()
        if self._sparkplug is None and self.config.sparkplug.groups:
            source = self.config.adapter_id or self.config.source.client_id
            self._sparkplug = Sparkplug(self.config.sparkplug, source, sparkplug_file.load(self.state_directory))
        wire = await dial(self.config.source)
        connection = self._connection = Connection(wire, self.config.source, self)
        try:
            self._is_session_present = await connection.open()
        except NotConnected:
            connection.close()
            raise
        self._subscribe(connection, peer)

    def opened(self, *, is_session_present: bool) -> None:
        """The broker takes us; before the first message."""
        if self._connection is not None:
            self._acks.opened(self._connection.acknowledge, is_session_present=is_session_present)

    def _subscribe(self, connection: Connection, peer: str) -> None:
        """Ask for the topics, unless the broker kept the session in which we asked for the very same."""
        file = SubscriptionFile(self.state_directory, f"{self.config.source.client_id}@{peer}")
        asked = file.load() if self._is_session_present else {}
        if asked == self._wanted:
            return
        if gone := [name for name in asked if name not in self._wanted]:
            connection.unsubscribe(gone)
        self._unanswered = tuple(self._wanted)
        connection.subscribe(self._wanted, partial(self._granted, file))

    def _granted(self, file: SubscriptionFile, granted: Mapping[str, int]) -> None:
        self._unanswered = ()
        self._not_granted = tuple(name for name, qos in granted.items() if qos >= REFUSED)
        for name, qos in granted.items():
            if qos == 0:
                self._seen.may_lose(name, "subscribed with QoS 0")
        if not self._not_granted:
            file.save(self._wanted)

    def arrived(self, message: Published) -> None:
        """A message; it waits here until `listen` comes to it."""
        ticket = self._acks.arrived(message)
        if ticket is not None:
            self._waiting.append((ticket, message.is_retained))

    def _done(self, tickets: Sequence[Ticket]) -> None:
        """The log has a part of each of these messages."""
        self._acks.done(tickets)
        if self._connection is not None and not self._acks.is_full:
            self._connection.resume()

    async def listen(self, peer: str, inbox: Inbox) -> None:
        connection = self._connection
        if connection is None:
            raise NotConnected(f"{peer}: closed")
        while True:
            for _ in range(min(len(self._waiting), MESSAGES_AT_ONCE)):
                ticket, is_retained = self._waiting.popleft()
                self._read(ticket, inbox, is_retained=is_retained)
            for batch in self._gather.take():
                await inbox.put(batch)
            if self._sparkplug is not None:
                self._look_after(self._sparkplug, connection)
            if connection.lost and not self._waiting:
                self._acks.lost()
                raise NotConnected(f"{peer}: {connection.lost}")
            if not self._waiting:
                connection.changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(connection.changed.wait(), LOOK_SECONDS)

    def _read(self, ticket: Ticket, inbox: Inbox, *, is_retained: bool) -> None:
        """What a message says goes to the gathered readings; a bad one to the dead letters."""
        self._seen.messages += 1
        topic, payload, asset_id = ticket.topic, ticket.payload, ""
        try:
            self._check(topic, payload)
            if self._sparkplug is not None and topic.startswith(PREFIX):
                self._read_sparkplug(self._sparkplug, ticket, inbox)
                return
            route = self._routes.find(topic)
            if route is None:
                self._seen.fits_no_row(topic, payload)
            else:
                asset_id = route.place.asset_id
                if not ticket.qos:
                    self._seen.may_lose(route.row.topic, "published or subscribed with QoS 0")
                self._gather.add(route.read(payload, is_retained=is_retained), ticket)
        except Unreadable as reason:
            self._refuse(ticket, inbox, str(reason), asset_id)
        else:
            self._acks.done((ticket,))

    def _read_sparkplug(self, sparkplug: Sparkplug, ticket: Ticket, inbox: Inbox) -> None:
        """One message of an edge node. Raises Unreadable."""
        told = sparkplug.read(ticket.topic, ticket.payload, now_us())
        if told is None:
            self._seen.fits_no_row(ticket.topic, ticket.payload)
            told = Told()
        elif not ticket.qos:
            self._seen.may_lose("Sparkplug", "published or subscribed with QoS 0; holes are noticed")
        self._gather.add(told.history, ticket, is_history=True)
        self._gather.add(told.samples, ticket)
        for batch in told.silent:
            self._gather.put(batch, ticket)
        for event in told.events:
            ticket.parts += 1
            inbox.signal(event, partial(self._done, (ticket,)))
        if told.unread:
            self._refuse(ticket, inbox, told.unread, "")
        else:
            self._acks.done((ticket,))

    def _look_after(self, sparkplug: Sparkplug, connection: Connection) -> None:
        """Now and then: keep what births said, and ask for those that are missing, if that is allowed."""
        now = monotonic()
        if sparkplug.is_changed and now - self._saved_seconds >= LOOK_SECONDS:
            self._save_births(sparkplug)
            self._saved_seconds = now
        if self.config.sparkplug.rebirth:
            for group, node in sparkplug.rebirths.due(now):
                connection.publish(f"{PREFIX}{group}/NCMD/{node}", rebirth(now_us() // 1000))

    def _save_births(self, sparkplug: Sparkplug) -> None:
        sparkplug.is_changed = False
        sparkplug_file.save(self.state_directory, sparkplug.nodes)

    def _check(self, topic: str, payload: bytes) -> None:
        most = self.config.source.max_payload_bytes
        if not topic:
            raise Unreadable("its topic is not UTF-8")
        if len(payload) > most:
            raise Unreadable(f"{len(payload)} bytes, and max_payload_bytes is {most}: kept as far as that")

    def _refuse(self, ticket: Ticket, inbox: Inbox, reason: str, asset_id: str) -> None:
        self._seen.refuse(ticket.topic, reason)
        kept = ticket.payload[: self.config.source.max_payload_bytes]
        refused = Refused(where=ticket.topic or "?", payload=kept, reason=reason, asset_id=asset_id)
        inbox.refuse(refused, partial(self._done, (ticket,)))

    def remarks(self) -> Sequence[str]:
        waiting = self._sparkplug.remarks() if self._sparkplug is not None else ()
        unanswered = ["the broker has not answered our subscription yet"] if self._unanswered else []
        return [*unanswered, *(f"the broker does not grant {name}" for name in self._not_granted), *waiting]

    def figures(self) -> Mapping[tuple[str, ...], float]:
        counts = {
            "messages": self._seen.messages,
            "refused": self._seen.refused,
            "unmapped": self._seen.unmapped,
            "unacknowledged": self._acks.held,
            "redelivered": self._acks.redelivered,
        }
        if self._sparkplug is not None:
            counts["sparkplug_missing"] = self._sparkplug.missing
        return {("", name): float(count) for name, count in counts.items()}

    def details(self) -> Mapping[str, object]:
        source, acks = self.config.source, self._acks
        return {
            "broker": source.broker,
            "client_id": source.client_id,
            "is_session_present": self._is_session_present,
            "unacknowledged": acks.held,
            "redelivered": acks.redelivered,
            "recognised": acks.recognised,
            **self._seen.details(),
            "sparkplug": dict(self._sparkplug.details()) if self._sparkplug is not None else {},
        }

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self._acks.lost()
        if self._sparkplug is not None and self._sparkplug.is_changed:
            self._save_births(self._sparkplug)
