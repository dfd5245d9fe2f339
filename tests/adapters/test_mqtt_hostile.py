"""Brokers that are wrong on purpose: the adapter loses nothing, doubles nothing it can know, and says what is wrong."""

import asyncio
import random
from contextlib import suppress
from dataclasses import replace

import pytest

from streamforge.adapters.mqtt import Mqtt
from streamforge.adapters.mqtt_acks import Acks
from streamforge.adapters.mqtt_config import MqttConfig, SparkplugRow
from streamforge.adapters.mqtt_publish import MalformedError, Published, parse_publish
from streamforge.adapters.mqtt_source import Version
from streamforge.errors import NotConnected
from tests.adapters.mqtt_bench import ROWS, adapter, listening, run, settings, until
from tests.adapters.mqtt_hostile import Hostile, Peer, connack, hostile, packet, publish
from tests.adapters.mqtt_peers import Box

TOPIC = "plant/pump/{}"


def config(broker: Hostile, **source: int) -> MqttConfig:
    return settings(broker.port, Version.V3, ROWS, **source)


async def lost(mqtt: Mqtt, box: Box) -> str:
    """Connect, listen, and why that ended."""
    with pytest.raises((NotConnected, OSError)) as caught:
        async with listening(mqtt, box) as task:
            await asyncio.wait_for(task, 10)
    return str(caught.value)


def test_a_repeat_under_a_new_packet_id_that_is_not_marked_is_known() -> None:
    """Some brokers number anew what they send again, without the dup flag: an old id is then another message's."""

    async def script(peer: Peer) -> None:
        ids = (1, 2, 3) if peer.number == 0 else (3, 1, 2)
        messages = b"".join(publish(TOPIC.format(n), b"%d" % n, mid) for n, mid in enumerate(ids))
        peer.send(connack(session=peer.number > 0) + messages)  # in one piece, before any answer
        if peer.number == 0:
            await asyncio.sleep(0.2)
            return
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            box, mqtt = Box(is_held=True), adapter(config(broker))
            assert "hung up" in await lost(mqtt, box)
            assert len(box.readings) == 3
            async with listening(mqtt, box):
                await until(lambda: mqtt.details()["recognised"] == 3)
                box.acknowledge(len(box.dones))
                await until(lambda: len(broker.peers[1].acknowledged) == 3)
            await mqtt.close()
            assert broker.peers[1].acknowledged == [3, 1, 2], "in the order of this connection, under its numbers"
            assert broker.peers[0].acknowledged == []
            assert len(box.readings) == 3

    run(main())


def test_a_broker_without_our_session_sends_new_messages_that_say_the_same() -> None:
    async def script(peer: Peer) -> None:
        peer.send(connack(session=False) + publish(TOPIC.format("flow"), b"7", 1))
        if peer.number == 0:
            await asyncio.sleep(0.2)
            return
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            box, mqtt = Box(is_held=True), adapter(config(broker))
            await lost(mqtt, box)
            async with listening(mqtt, box):
                await until(lambda: len(box.readings) == 2)
            await mqtt.close()

    run(main())


def test_acknowledgements_go_out_in_the_order_of_the_messages() -> None:
    """MQTT 3.1.1, 4.6: also where the log has the later one first."""

    async def script(peer: Peer) -> None:
        peer.send(connack() + b"".join(publish(f"plant/a{n}/x", b"1", n + 1) for n in range(4)))
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            box, mqtt = Box(is_held=True), adapter(config(broker))
            async with listening(mqtt, box):
                await until(lambda: len(box.dones) == 4)
                box.dones[3]()
                box.dones[1]()
                await asyncio.sleep(0.1)
                assert broker.peers[0].acknowledged == []
                box.dones[0]()
                await until(lambda: broker.peers[0].acknowledged == [1, 2])
                box.dones[2]()
                await until(lambda: broker.peers[0].acknowledged == [1, 2, 3, 4])
            await mqtt.close()

    run(main())


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (packet(0x32, b"\x00\x50ab"), "none of MQTT"),
        (b"\x30\xff\xff\xff\xff\x01", "none of MQTT"),
        (b"\x00\x00", "none of MQTT"),
        (b"\x36\x05\x00\x01a\x00\x01", "none of MQTT"),
        (b"\x30\xff\xff\xff\x7f" + b"x" * 100_000, "a packet of 268435455 bytes, and 16777216 are the most"),
    ],
    ids=["a topic beyond the end", "a length without an end", "no type", "QoS 3", "oversized"],
)
def test_a_packet_that_is_none_ends_the_connection_with_a_reason(raw: bytes, words: str) -> None:
    async def script(peer: Peer) -> None:
        peer.send(connack())
        subscribed = asyncio.create_task(peer.packets())
        while 0x80 not in peer.seen:
            await asyncio.sleep(0.005)
        peer.send(raw)
        await subscribed

    async def main() -> None:
        async with hostile(script) as broker:
            assert words in await lost(adapter(config(broker)), Box())

    run(main())


def test_a_topic_that_is_no_text_is_refused_and_acknowledged() -> None:
    async def script(peer: Peer) -> None:
        peer.send(connack() + packet(0x32, b"\x00\x02\xff\xfe\x00\x09payload"))
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            box, mqtt = Box(), adapter(config(broker))
            async with listening(mqtt, box):
                await until(lambda: broker.peers[0].acknowledged == [9])
            await mqtt.close()
            assert [(one.reason, one.payload) for one in box.refused] == [("its topic is not UTF-8", b"payload")]

    run(main())


def test_nothing_is_published_and_no_more_than_acknowledged() -> None:
    """On the wire: after CONNECT there are SUBSCRIBE, PUBACK, PINGREQ and DISCONNECT, and never a PUBLISH."""

    async def script(peer: Peer) -> None:
        messages = b"".join(publish(TOPIC.format("speed"), text, mid) for mid, text in enumerate((b"1", b"bad"), 1))
        peer.send(connack() + messages + publish("spBv1.0/G/NDATA/N", b"\xff", 3) + publish("nobody/s", b"1", 4))
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            settings_ = replace(config(broker, keepalive_s=1), sparkplug=SparkplugRow(groups=("G",), rebirth=True))
            mqtt = adapter(settings_)
            async with listening(mqtt, Box()):
                await until(lambda: broker.peers[0].acknowledged == [1, 2, 3, 4])
                await until(lambda: 0xC0 in broker.peers[0].seen, "a sign of life")
            await mqtt.close()
            await until(lambda: 0xE0 in broker.peers[0].seen, "a goodbye")
            assert set(broker.peers[0].seen) == {0x80, 0x40, 0xC0, 0xE0}

    run(main())


async def silent(peer: Peer) -> None:
    await peer.packets()


async def deaf(peer: Peer) -> None:
    """Half open: it takes us, and answers nothing after."""
    peer.answers_pings = False
    peer.send(connack())
    await peer.packets()


async def hangs_up(peer: Peer) -> None:
    peer.send(b"")


async def old(peer: Peer) -> None:
    peer.send(connack(code=1))
    await peer.packets()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (silent, "no answer to CONNECT within 1 s"),
        (deaf, "silent for 2 s"),
        (hangs_up, "hung up"),
        (old, "refused: MQTT 3.1.1 is not spoken"),
    ],
)
def test_a_broker_that_does_not_answer_is_given_up(script: object, words: str) -> None:
    async def main() -> None:
        async with hostile(script) as broker:  # type: ignore[arg-type] # one of the above
            assert words in await lost(adapter(config(broker, connect_timeout_s=1, keepalive_s=1)), Box())

    run(main())


async def takes_over(peer: Peer) -> None:
    """MQTT 5: another client of our id came."""
    peer.send(b"\x20\x03\x00\x00\x00\xe0\x02\x8e\x00")
    await asyncio.sleep(1)


async def refuses(peer: Peer) -> None:
    peer.send(b"\x20\x03\x00\x84\x00")
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("script", "words"),
    [(takes_over, "the broker says: Session taken over"), (refuses, 'it may know version = "3.1.1" only')],
)
def test_the_broker_of_mqtt_5_says_why(script: object, words: str) -> None:
    async def main() -> None:
        async with hostile(script) as broker:  # type: ignore[arg-type] # one of the above
            assert words in await lost(adapter(settings(broker.port)), Box())

    run(main())


def test_topics_that_the_broker_does_not_grant_are_remarked() -> None:
    async def script(peer: Peer) -> None:
        peer.grants = 128
        peer.send(connack())
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            mqtt = adapter(config(broker))
            async with listening(mqtt, Box()):
                assert mqtt.remarks() == [f"the broker does not grant {name}" for name in ("plant/+/+", "json/+")]
            await mqtt.close()

    run(main())


def test_what_waits_for_the_log_is_bounded_and_nothing_of_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that never waits for acknowledgements, while the log is away."""
    monkeypatch.setattr("streamforge.adapters.mqtt_acks.MOST_HELD", 100)

    async def script(peer: Peer) -> None:
        peer.send(connack() + b"".join(publish("plant/pump/flow", b"%d" % n, n + 1) for n in range(2000)))
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            box, mqtt = Box(is_held=True), adapter(config(broker))
            async with listening(mqtt, box):
                await until(lambda: len(box.readings) == 100)
                await asyncio.sleep(0.1)
                assert mqtt.details()["unacknowledged"] == 100
                box.is_held = False
                box.acknowledge()
                await until(lambda: broker.peers[0].acknowledged == list(range(1, 2001)))
            await mqtt.close()
            assert [value for _, _, value in box.readings] == [float(n) for n in range(2000)]

    run(main())


def test_nothing_that_a_broker_sends_ends_the_process() -> None:
    """Mutations of good packets: each connection stands, or ends with a reason."""
    rng = random.Random(5)
    good = connack() + publish(TOPIC.format("flow"), b"21.5", 7) + publish("x", b"", 0, qos=0) + packet(0x62, b"\0\x07")

    def mutated() -> bytes:
        raw = bytearray(good * 3)
        for _ in range(rng.randint(1, 6)):
            raw[rng.randrange(4, len(raw))] = rng.randrange(256)
        return bytes(raw)

    async def script(peer: Peer) -> None:
        peer.send(mutated())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(peer.packets(), 0.02)

    async def main() -> None:
        async with hostile(script) as broker:
            for _ in range(150):
                assert await lost(adapter(config(broker, connect_timeout_s=1)), Box())

    run(main())


def test_repeats_that_never_come_do_not_swallow_messages_for_ever() -> None:
    acks = Acks()

    def message(topic: str, payload: bytes) -> Published:
        return Published(topic, payload, 1, 1, is_marked=False, is_retained=False)

    assert acks.arrived(message("t", b"7")) is not None
    acks.opened(lambda mid: None, is_session_present=True)
    for number in range(300):
        assert acks.arrived(message("other", b"%d" % number)) is not None
    assert acks.arrived(message("t", b"7")) is not None


@pytest.mark.parametrize(
    ("first", "body", "is_v5", "expected"),
    [
        (0x30, b"\0\1t21.5", False, Published("t", b"21.5", 0, 0, False, False)),
        (0x3B, b"\0\1t\1\2x", False, Published("t", b"x", 258, 1, True, True)),
        (0x32, b"\0\1t\0\7\0x", True, Published("t", b"x", 7, 1, False, False)),
        (0x32, b"\0\1t\0\7\5\2\0\0\0\1x", True, Published("t", b"x", 7, 1, False, False)),
        (0x32, b"\0\1t\0\7\0", True, Published("t", b"", 7, 1, False, False)),
    ],
)
def test_a_publish_packet(first: int, body: bytes, is_v5: bool, expected: Published) -> None:
    assert parse_publish(first, body, is_v5=is_v5) == expected


@pytest.mark.parametrize(
    ("first", "body"),
    [(0x34, b"\0\1t\0\7\0"), (0x36, b"\0\1t\0\7\0"), (0x32, b"\0\1t\0"), (0x30, b""), (0x30, b"\0\1t"),
     (0x30, b"\0\1t\5ab"), (0x30, b"\0\1t\xff\xff\xff\xff\1")],
)  # fmt: skip
def test_what_is_no_publish_packet_is_refused(first: int, body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_publish(first, body, is_v5=True)
