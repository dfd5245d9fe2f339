"""One connection to a broker: the client library's protocol, driven by the event loop and by nothing else.

It starts no thread, and what it calls runs in the loop. A connection that is lost is thrown away, never repaired.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from streamforge.adapters.mqtt_publish import Published, parse_publish
from streamforge.adapters.mqtt_source import Source, Version
from streamforge.adapters.mqtt_wire import MOST_PACKET_BYTES, Wire
from streamforge.errors import NotConnected

# How many messages a broker of MQTT 5 may send before the first is acknowledged (others decide by themselves).
RECEIVE_MAXIMUM = 2_000
PACKETS_AT_ONCE = 200
TICK_SECONDS = 1.0
NOT_MQTT = "a packet that is none of MQTT"
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, StructError, AssertionError)
_V5, _V3 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311


class Listener(Protocol):
    """Who is told, in the loop and in order, of what comes."""

    @property
    def is_full(self) -> bool:
        """Whether messages are to wait with the broker."""

    def opened(self, *, is_session_present: bool) -> None:
        """The broker takes us; before the first message."""

    def arrived(self, message: Published) -> None:
        """A message; `is_marked`: the broker says that it is a repeat."""


class _Client(Client):
    """The library's client on a socket that is connected already: it would block the loop while it connects.

    Two of its inner methods are replaced; the tests against real brokers fail where a release does without them.
    """

    def __init__(
        self, wire: Wire, source: Source, on_publish: Callable[[Published], None], *, is_passing: bool
    ) -> None:
        is_v5 = source.version is Version.V5
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=source.client_id,
            clean_session=None if is_v5 else is_passing,
            protocol=_V5 if is_v5 else _V3,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._wire = wire
        self._is_v5 = is_v5
        self._on_published = on_publish

    def _create_socket(self) -> Wire:
        return self._wire

    def _handle_publish(self) -> MQTTErrorCode:
        raw = self._in_packet
        self._on_published(parse_publish(raw["command"], raw["packet"], is_v5=self._is_v5))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


class Connection:
    """Made on a dialled wire; `open` says hello, `lost` why it is gone ("" = it stands)."""

    def __init__(self, wire: Wire, source: Source, listener: Listener, *, is_passing: bool = False) -> None:
        """While the listener is full, messages are not read any further. `is_passing`: no session is kept or found."""
        self._wire, self._source, self._listener = wire, source, listener
        self._is_passing = is_passing
        self._loop = asyncio.get_running_loop()
        self._handle = wire.fileno()
        self._client = _Client(wire, source, self._arrived, is_passing=is_passing)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_socket_register_write = self._to_write
        self._hello: asyncio.Future[bool] = self._loop.create_future()
        self._asked: dict[int, tuple[tuple[str, ...], Callable[[dict[str, int]], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_write_due = False
        self.is_paused = False
        self.lost = ""
        self.changed = asyncio.Event()

    async def open(self) -> bool:
        """Whether the broker kept our session. Raises NotConnected in the broker's words."""
        source = self._source
        if source.username:
            self._client.username_pw_set(source.username, source.password or None)
        if source.version is Version.V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0 if self._is_passing else source.session_expiry_s
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = MOST_PACKET_BYTES
            self._client.connect_async(
                source.host, source.port, source.keepalive_s, clean_start=self._is_passing, properties=properties
            )
        else:
            self._client.connect_async(source.host, source.port, source.keepalive_s)
        self._client.reconnect()
        self._loop.add_reader(self._handle, self._readable)
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        try:
            return await asyncio.wait_for(self._hello, source.connect_timeout_s)
        except TimeoutError:
            self._gone(f"no answer to CONNECT within {source.connect_timeout_s} s")
            raise NotConnected(f"{self._address}: {self.lost}") from None

    def subscribe(self, filters: Mapping[str, int], told: Callable[[dict[str, int]], None]) -> None:
        """Ask for these; `told` gets filter -> QoS that the broker grants, 128 and above = it refuses.

        The answer is not waited for: it stands behind all that the broker kept for us.
        """
        _, mid = self._client.subscribe(list(filters.items()))
        if mid is not None:
            self._asked[mid] = (tuple(filters), told)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for these no more."""
        self._client.unsubscribe(list(filters))

    def acknowledge(self, mid: int) -> None:
        """Tell the broker that a message of QoS 1 is safe."""
        if not self.lost:
            self._client.ack(mid, 1)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0; nothing but a rebirth is ever sent."""
        if not self.lost:
            self._client.publish(topic, payload)

    def resume(self) -> None:
        """There is room again."""
        if self.is_paused and not self.lost:
            self.is_paused = False
            self._loop.add_reader(self._handle, self._readable)
            self._loop.call_soon(self._readable)

    def close(self) -> None:
        """Say goodbye, which leaves the session with the broker; may be called twice."""
        if not self.lost:
            self._client.disconnect()
            self._write()
        self._gone("closed")

    @property
    def _address(self) -> str:
        return f"{self._source.host}:{self._source.port}"

    def _readable(self) -> None:
        for _ in range(PACKETS_AT_ONCE):
            if self.lost or not self._has_room():
                return
            self._read()
            if not self._wire.has_data:
                return
        self._loop.call_soon(self._readable)

    def _has_room(self) -> bool:
        """Whether to read on; what the broker sends meanwhile waits at its end."""
        if self._hello.done() and self._listener.is_full and not self.is_paused:
            self.is_paused = True
            self._loop.remove_reader(self._handle)
        return not self.is_paused

    def _read(self) -> None:
        """One packet, or a part of one."""
        try:
            code = self._client.loop_read()
        except OSError as error:
            self._gone(error.strerror or str(error))
        except _MALFORMED as error:
            self._gone(f"{NOT_MQTT}: {error}")
        else:
            if code is MQTTErrorCode.MQTT_ERR_PROTOCOL:
                is_hello = not self._hello.done()
                self._gone(f"refused: MQTT {self._source.version} is not spoken" if is_hello else NOT_MQTT)
            elif code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._gone(self._wire.fault or "the broker hung up")

    def _to_write(self, *_: object) -> None:
        """Something is to be sent: once in this turn of the loop, whatever else comes in it."""
        if not self._is_write_due:
            self._is_write_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_write_due = False
        if self.lost:
            return
        try:
            self._client.loop_write()
            self._wire.flush()
        except OSError as error:
            self._gone(error.strerror or str(error))
            return
        if self._wire.is_behind:
            self._loop.add_writer(self._handle, self._write)
        elif not self.lost:
            self._loop.remove_writer(self._handle)

    def _tick(self) -> None:
        """Keep-alive. While nothing is read the broker's answers are not seen, either: it is the one to judge then."""
        if self.lost:
            return
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        if self.is_paused or not self._hello.done():
            return
        self._client.loop_misc()
        if self._client.socket() is None:
            self._gone(f"silent for {2 * self._source.keepalive_s} s")

    def _gone(self, reason: str) -> None:
        if self.lost:
            return
        self.lost = reason
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._handle)
        self._loop.remove_writer(self._handle)
        self._wire.close()
        if not self._hello.done():
            self._hello.set_exception(NotConnected(f"{self._address}: {reason}"))
            self._hello.exception()  # seen, though nobody may wait for it
        self.changed.set()

    def _connected(self, _c: Client, _u: object, flags: ConnectFlags, code: ReasonCode, _p: object) -> None:
        if code.is_failure:
            self._gone(_words(code, self._source))
        elif not self._hello.done():
            self._listener.opened(is_session_present=flags.session_present)
            self._hello.set_result(flags.session_present)

    def _disconnected(self, _c: Client, _u: object, flags: DisconnectFlags, code: ReasonCode, _p: object) -> None:
        if flags.is_disconnect_packet_from_server:  # else whoever found it says why
            self._gone(f"the broker says: {code}")

    def _subscribed(self, _c: Client, _u: object, mid: int, codes: list[ReasonCode], _p: object) -> None:
        filters, told = self._asked.pop(mid, ((), None))
        if told is not None:
            told({name: code.value for name, code in zip(filters, codes, strict=False)})

    def _arrived(self, message: Published) -> None:
        self._listener.arrived(message)
        self.changed.set()


def _words(code: ReasonCode, source: Source) -> str:
    """Why the broker refuses us, and what to do."""
    text = str(code)
    if "protocol" in text.lower() and source.version is Version.V5:
        return f'refused: {text}; it may know version = "3.1.1" only'
    return f"refused: {text}"
