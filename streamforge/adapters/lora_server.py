"""A LoRaWAN network server over MQTT: its messages in order, acknowledged when the log has what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from streamforge.adapters.base import Inbox, Refused
from streamforge.adapters.lora_config import LoraSource
from streamforge.adapters.lora_devices import LoraNode, ServerDevices
from streamforge.adapters.lora_servers import MAPPINGS, TOPICS
from streamforge.adapters.lora_transport import Transport
from streamforge.adapters.mqtt_acks import Ticket
from streamforge.adapters.mqtt_session import Session
from streamforge.adapters.mqtt_source import Source
from streamforge.clock import now_us

LOOK_SECONDS = 1.0


class NetworkServer(Transport):
    """One session with the broker to which one server publishes; the broker keeps what we miss."""

    can_wait = True

    def __init__(self, source: LoraSource, mqtt: Source, nodes: Sequence[LoraNode]) -> None:
        super().__init__()
        self._mapping = MAPPINGS[source.transport]
        self._devices = ServerDevices(nodes)
        self._most_bytes = mqtt.max_payload_bytes
        self._last_refused = ""
        self._session = Session(mqtt, {source.topic or TOPICS[source.transport]: mqtt.qos})

    async def open(self, state_directory: Path | None) -> None:
        await self._session.open(state_directory)

    async def listen(self, inbox: Inbox) -> None:
        for ticket in await self._session.take(LOOK_SECONDS):
            self.counts["uplinks"] += 1
            self.counts["uplinks_that_may_be_lost"] += not ticket.qos
            await self._take(ticket, inbox)

    async def _take(self, ticket: Ticket, inbox: Inbox) -> None:
        """One message; the log has it when it has all its batches, or its dead letter."""
        done = partial(self._session.done, (ticket,))
        try:
            if len(ticket.payload) > self._most_bytes:
                raise ValueError(f"{len(ticket.payload)} bytes, and max_payload_bytes is {self._most_bytes}")
            found = self._devices.take(self._mapping(ticket.payload), now_us())
        except ValueError as error:
            self._refuse(ticket, inbox, str(error))
            return
        self.counts["messages_of_unknown_devices"] += found is None
        ticket.parts += len(found or ())
        for batch in found or ():
            await inbox.put(replace(batch, done=done))
        done()

    def _refuse(self, ticket: Ticket, inbox: Inbox, reason: str) -> None:
        self.counts["malformed_messages"] += 1
        where = ticket.topic or "a topic that is not UTF-8"
        self._last_refused = f"{where}: {reason}"
        refused = Refused(where=where, payload=ticket.payload[: self._most_bytes], reason=reason)
        inbox.refuse(refused, partial(self._session.done, (ticket,)))

    def remarks(self) -> Sequence[str]:
        return self._session.remarks()

    def details(self) -> Mapping[str, object]:
        return {**self._session.details(), "last_refused": self._last_refused}

    def close(self) -> None:
        self._session.close()
