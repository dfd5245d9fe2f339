"""MQTT 3.1.1 and 5, with Sparkplug B inside: what devices publish becomes readings. It publishes nothing by itself.

A message is acknowledged when the log has all of it, in the order in which messages came; until then the broker keeps
it in the session of our client id, whatever happens to this process.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from time import monotonic

from streamforge.adapters import sparkplug_file
from streamforge.adapters.base import Device, Inbox, Refused, ReportRule, SignalRule, Subscriber
from streamforge.adapters.mqtt_acks import Ticket
from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_gather import Gather
from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.mqtt_routes import Routes, devices_of
from streamforge.adapters.mqtt_seen import Seen
from streamforge.adapters.mqtt_session import Session
from streamforge.adapters.mqtt_subscriptions import wanted
from streamforge.adapters.sparkplug import PREFIX, Sparkplug, Told
from streamforge.adapters.sparkplug_wire import rebirth
from streamforge.clock import now_us

LOOK_SECONDS = 1.0


class Mqtt(Subscriber[MqttConfig]):
    """One instance: one session with one broker."""

    Config = MqttConfig
    can_wait = True

    def __init__(self, config: MqttConfig) -> None:
        super().__init__(config)
        source = config.source
        self._session = Session(source, wanted(config), granted=self._granted)
        self._routes = Routes(config.topics)
        self._devices = tuple(devices_of(config.topics, self._session.peer))
        self._gather = Gather(self._session.done)
        self._seen = Seen()
        self._sparkplug: Sparkplug | None = None
        self._saved_seconds = 0.0

    @property
    def peers(self) -> Sequence[str]:
        return (self._session.peer,)

    @property
    def devices(self) -> Sequence[Device]:
        return self._devices

    def rules_of(self, asset_id: str, parameter: str) -> tuple[ReportRule, SignalRule | None] | None:
        found = self._routes.rules_of(asset_id, parameter)
        return found or (self._sparkplug.rules_of(asset_id, parameter) if self._sparkplug is not None else None)

    async def connect(self, peer: str) -> None:  # noqa: ARG002 - there is one
        await self.close()
        if self._sparkplug is None and self.config.sparkplug.groups:
            source = self.config.adapter_id or self.config.source.client_id
            self._sparkplug = Sparkplug(self.config.sparkplug, source, sparkplug_file.load(self.state_directory))
        await self._session.open(self.state_directory)

    def _granted(self, granted: Mapping[str, int]) -> None:
        for name, qos in granted.items():
            if qos == 0:
                self._seen.may_lose(name, "subscribed with QoS 0")

    async def listen(self, peer: str, inbox: Inbox) -> None:  # noqa: ARG002 - there is one
        while True:
            for ticket in await self._session.take(LOOK_SECONDS):
                self._read(ticket, inbox)
            for batch in self._gather.take():
                await inbox.put(batch)
            if self._sparkplug is not None:
                self._look_after(self._sparkplug)

    def _read(self, ticket: Ticket, inbox: Inbox) -> None:
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
                self._gather.add(route.read(payload, is_retained=ticket.is_retained), ticket)
        except Unreadable as reason:
            self._refuse(ticket, inbox, str(reason), asset_id)
        else:
            self._session.done((ticket,))

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
            inbox.signal(event, partial(self._session.done, (ticket,)))
        if told.unread:
            self._refuse(ticket, inbox, told.unread, "")
        else:
            self._session.done((ticket,))

    def _look_after(self, sparkplug: Sparkplug) -> None:
        """Now and then: keep what births said, and ask for those that are missing, if that is allowed."""
        now = monotonic()
        if sparkplug.is_changed and now - self._saved_seconds >= LOOK_SECONDS:
            self._save_births(sparkplug)
            self._saved_seconds = now
        if self.config.sparkplug.rebirth:
            for group, node in sparkplug.rebirths.due(now):
                self._session.publish(f"{PREFIX}{group}/NCMD/{node}", rebirth(now_us() // 1000))

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
        inbox.refuse(refused, partial(self._session.done, (ticket,)))

    def remarks(self) -> Sequence[str]:
        waiting = self._sparkplug.remarks() if self._sparkplug is not None else ()
        return [*self._session.remarks(), *waiting]

    def figures(self) -> Mapping[tuple[str, ...], float]:
        counts = {
            "messages": self._seen.messages,
            "refused": self._seen.refused,
            "unmapped": self._seen.unmapped,
            "unacknowledged": self._session.acks.held,
            "redelivered": self._session.acks.redelivered,
        }
        if self._sparkplug is not None:
            counts["sparkplug_missing"] = self._sparkplug.missing
        return {("", name): float(count) for name, count in counts.items()}

    def details(self) -> Mapping[str, object]:
        return {
            **self._session.details(),
            **self._seen.details(),
            "sparkplug": dict(self._sparkplug.details()) if self._sparkplug is not None else {},
        }

    async def close(self) -> None:
        self._session.close()
        if self._sparkplug is not None and self._sparkplug.is_changed:
            self._save_births(self._sparkplug)
