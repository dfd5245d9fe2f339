"""A million frames that nobody sends but on purpose, of the protocols whose own tests have no such campaign.

Each is read as far as it goes or refused by a name; nothing crashes, sticks or grows.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from asyncua.ua.uaerrors import UaError

from streamforge.adapters import mqtt as mqtt_module
from streamforge.adapters.base import Refused, nothing
from streamforge.adapters.modbus_failures import Failure
from streamforge.adapters.modbus_framing import Framing, MbapFraming
from streamforge.adapters.modbus_rtu_framing import RtuFraming, rtu_frame
from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_publish import MalformedError, parse_publish
from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.opcua_feed import MALFORMED
from streamforge.adapters.opcua_guard import bound_the_library
from streamforge.config import load
from streamforge.sim.sparkplug import M, data_set, payload, text, value_field
from tests.adapters.mqtt_bench import adapter
from tests.adapters.mqtt_hostile import publish
from tests.adapters.mutations import FEW_AND_MANY, campaign
from tests.adapters.radio_peers import Kept
from tests.adapters.test_modbus_framing import DATA, QUESTION, ask
from tests.adapters.test_opcua_damage import notification, readings
from tests.adapters.test_sparkplug import DEVICE, NODE, T_US, born, device_birth, node_birth


class Taken(Kept):
    """An inbox whose log has everything at once."""

    def refuse(self, refused: Refused, done: Callable[[], None] = nothing) -> None:
        super().refuse(refused)
        done()


counts = pytest.mark.parametrize("count", FEW_AND_MANY)
MOST_BUFFERED_BYTES = 2048
SAMPLE = Path(mqtt_module.__file__).with_suffix(".toml")
MESSAGES = (
    ("plant/pump/level", b"21.5"),
    ("sensors/pump/state", b'{"ts": 1767323045000, "t": 21.5, "p": [5], "door": true, "water leak": false}'),
    ("kepware/line_1", b'{"values": [{"id": "a", "v": 1.5, "q": true, "t": 1767323045000}, {"id": "b", "v": "x"}]}'),
    ("logger/hall/csv", b"when;flow\n2026-01-02T03:04:05Z;7.5\n2026-01-02T03:04:06Z;8.5\n"),
    ("radio/tank", bytes(7)),
    ("mill/telegram", b"\x10\x00\x00\x00\x80\x3f"),
    ("hall/door", b"on"),
)


def milled_modbus(kind: type[Framing], count: int) -> None:
    """Every frame arrives as the answer to a question, behind whatever the ones before it left."""
    framing, seen = kind(), Counter[bool]()
    answer = ask(framing, kind)
    framing.end()
    refusal = answer[:5] + b"\3\1\x83\2" if kind is MbapFraming else rtu_frame(1, b"\x83\2")

    def take(raw: bytes) -> None:
        request = framing.begin(QUESTION)
        if kind is MbapFraming and raw[:2] == answer[:2]:
            raw = request[:2] + raw[2:]  # the transaction goes on; that of a good frame is right
        outcome = framing.feed(raw)
        if outcome is None:
            outcome = framing.end()
        assert isinstance(outcome, Failure) or len(outcome) == len(DATA)
        seen[outcome == DATA] += 1
        assert len(framing._buffer) <= MOST_BUFFERED_BYTES  # type: ignore[attr-defined]

    campaign([answer, answer, answer * 2, refusal, b"\0" + answer], count, take)
    assert seen[True] > count / 20
    assert seen[False] > count / 20
    framing.reset()
    assert framing.feed(ask(framing, kind)) == DATA


@counts
def test_modbus_tcp(count: int) -> None:
    milled_modbus(MbapFraming, count)


@counts
def test_modbus_rtu(count: int) -> None:
    milled_modbus(RtuFraming, count)


@counts
def test_opcua(count: int) -> None:
    bound_the_library()
    seen = Counter[bool]()

    def take(raw: bytes) -> None:
        try:
            readings(raw)
        except (UaError, *MALFORMED):
            seen[False] += 1
        else:
            seen[True] += 1

    campaign([notification()], count, take)
    assert min(seen[True], seen[False]) > count / 20


@counts
def test_mqtt(count: int) -> None:
    """From the PUBLISH packet to the readings, payloads of every kind."""
    made, inbox, seen = adapter(load(SAMPLE, MqttConfig)), Taken(), Counter[str]()
    session = made._session
    session.acks.opened(lambda mid: None, is_session_present=True)

    def take(raw: bytes) -> None:
        try:
            message = parse_publish(raw[0] if raw else 0x32, raw[2:], is_v5=len(raw) % 2 == 0)
        except MalformedError:
            seen["malformed"] += 1
            return
        session.arrived(message)
        while session._waiting:
            made._read(session._waiting.popleft(), inbox)
        for batch in made._gather.take():
            seen["readings"] += len(batch.values)
            batch.done()
        for _ in inbox.refused:
            seen["refused"] += 1
        inbox.refused.clear()

    good = [publish(topic, body, 7, qos=qos) for topic, body in MESSAGES for qos in (0, 1)]
    good += [
        one[:-size] + b"\0" + one[-size:]
        for one, size in zip(good, [len(b) for _, b in MESSAGES for _ in "01"], strict=True)
    ]
    campaign(good, count, take)
    assert made.details()["unacknowledged"] == 0
    assert min(seen["malformed"], seen["readings"], seen["refused"]) > count / 100


@counts
def test_sparkplug(count: int) -> None:
    table = data_set(["v"], [9], [[value_field("float", 1.5, shift=9)]])
    udt = text(2, M("speed", "float", 3.0, type=9).encode())
    good = [
        device_birth(),
        node_birth(3),
        payload(M(alias=1, value=1.0), M("s", "dataset", table, type=16), seq=2),
        payload(M("udt", "template", udt, type=19), M("a", "bytes", b"\x01\x02\x03\x04", type=24), seq=3),
    ]
    topics = [NODE.format("NBIRTH"), *(DEVICE.format(kind) for kind in ("DBIRTH", "DDATA")), NODE.format("NDEATH")]
    made, seen = born(), Counter[str]()

    def take(raw: bytes) -> None:
        seen["all"] += 1
        with suppress(Unreadable):
            made.read(topics[seen["all"] % len(topics)], raw, T_US)
            seen["read"] += 1

    campaign(good, count, take)
    assert count / 20 < seen["read"] < count
