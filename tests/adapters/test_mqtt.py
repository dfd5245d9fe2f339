"""The mqtt adapter against a real broker (mosquitto): sessions, acknowledgements, what is refused, who is trusted."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.adapters.mqtt_config import MqttConfig, PayloadKind, TopicRow
from streamforge.adapters.mqtt_source import Version
from streamforge.errors import NotConnected
from tests.adapters.mqtt_bench import ROWS, adapter, away, listening, run, settings, until
from tests.adapters.mqtt_peers import Box, Mosquitto, Publisher, mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


every_version = pytest.mark.parametrize("version", list(Version), ids=lambda version: version.value)


@every_version
def test_what_devices_publish_becomes_readings(broker: Mosquitto, version: Version) -> None:
    async def main() -> None:
        box, mqtt = Box(), adapter(settings(broker.port, version))
        async with listening(mqtt, box):
            with Publisher(broker.port) as publisher:
                await away(lambda: publisher.send("plant/pump/flow", "21.5"))
                await away(lambda: publisher.send("json/hall", '{"door": true}'))
            await until(lambda: len(box.readings) == 2)
        await mqtt.close()
        assert box.readings == [("pump", "flow", 21.5), ("hall", "door", 1.0)]

    run(main())


@every_version
def test_what_the_log_does_not_have_comes_again_and_what_it_has_does_not(broker: Mosquitto, version: Version) -> None:
    async def main() -> None:
        box, mqtt = Box(is_held=True), adapter(settings(broker.port, version))
        async with listening(mqtt, box):
            with Publisher(broker.port) as publisher:
                await away(lambda: publisher.send_all([(f"plant/pump{number}/flow", "1") for number in range(4)]))
            await until(lambda: len(box.readings) == 4)
            box.acknowledge(2)
        await mqtt.close()  # a goodbye sends the acknowledgements first
        again, second = Box(), adapter(settings(broker.port, version))
        async with listening(second, again):
            await until(lambda: len(again.readings) == 2)
            await asyncio.sleep(0.1)
        await second.close()
        assert again.readings == [(f"pump{number}", "flow", 1.0) for number in (2, 3)]

    run(main())


@every_version
def test_a_session_keeps_what_is_published_while_nobody_listens(broker: Mosquitto, version: Version) -> None:
    async def main() -> None:
        mqtt = adapter(settings(broker.port, version))
        async with listening(mqtt, Box()):
            pass
        await mqtt.close()
        with Publisher(broker.port) as publisher:
            await away(lambda: publisher.send_all([("plant/pump/flow", str(number)) for number in range(500)]))
        box, second = Box(), adapter(settings(broker.port, version))
        async with listening(second, box):
            await until(lambda: len(box.readings) == 500)
        await second.close()
        assert [value for _, _, value in box.readings] == [float(number) for number in range(500)]
        assert second.details()["is_session_present"]

    run(main())


@every_version
def test_acknowledgements_of_a_lost_connection_are_dropped_and_what_comes_again_is_known(
    broker: Mosquitto, version: Version
) -> None:
    """The same process: a repeat of what still is on its way to the log is no second reading."""

    async def main() -> None:
        box, mqtt = Box(is_held=True), adapter(settings(broker.port, version))
        async with listening(mqtt, box) as task:
            with Publisher(broker.port) as publisher:
                await away(lambda: publisher.send_all([("plant/pump/flow", "7"), ("plant/pump/flow", "7")]))
                await away(lambda: publisher.send("json/hall", "no JSON"))
            await until(lambda: len(box.readings) == 2 and box.refused)
            await away(broker.stop)
            with pytest.raises(NotConnected, match="hung up"):
                await task
        await away(broker.start)
        async with listening(mqtt, box):
            await until(lambda: mqtt.details()["recognised"] == 3)
            box.acknowledge()
            await until(lambda: mqtt.details()["unacknowledged"] == 0)
        await mqtt.close()
        assert len(box.readings) == 2
        assert len(box.refused) == 1
        third, last = Box(), adapter(settings(broker.port, version))
        async with listening(last, third):
            await asyncio.sleep(0.2)
        await last.close()
        assert third.readings == []

    run(main())


def test_what_cannot_be_read_is_kept_with_its_bytes_and_acknowledged(broker: Mosquitto) -> None:
    async def main() -> None:
        box, mqtt = Box(), adapter(settings(broker.port, max_payload_bytes=1000))
        async with listening(mqtt, box):
            with Publisher(broker.port) as publisher:
                await away(lambda: publisher.send("plant/pump/flow", b"\xff\x00"))
                await away(lambda: publisher.send("plant/pump/flow", b"1" * 2000))
                await away(lambda: publisher.send("plant/pump/flow", "3"))
            await until(lambda: box.readings)
            await until(lambda: mqtt.details()["unacknowledged"] == 0)
        await mqtt.close()
        first, second = box.refused
        assert (first.where, first.payload, first.reason) == ("plant/pump/flow", b"\xff\x00", "not UTF-8 at byte 0")
        assert first.asset_id == "pump"
        assert second.payload == b"1" * 1000
        assert second.reason.startswith("2000 bytes, and max_payload_bytes is 1000")

    run(main())


def test_topics_that_fit_no_row_are_counted_and_shown(broker: Mosquitto) -> None:
    rows = (TopicRow(topic="line/{asset_id}/m{number}", payload=PayloadKind.JSON),)

    async def main() -> None:
        box, mqtt = Box(), adapter(settings(broker.port, rows=rows))
        async with listening(mqtt, box):
            with Publisher(broker.port) as publisher:
                for _ in range(3):
                    await away(lambda: publisher.send("line/1/x", "hello"))
            await until(lambda: mqtt.details()["unmapped"] == 3)
            assert mqtt.details()["unmapped_topics"] == [{"topic": "line/1/x", "messages": 3, "sample": "hello"}]
            assert mqtt.details()["unacknowledged"] == 0
            assert mqtt.figures()["", "unmapped"] == mqtt.figures()["", "messages"] == 3.0
        await mqtt.close()

    run(main())


def test_what_may_be_lost_is_named(broker: Mosquitto) -> None:
    rows = (ROWS[0], replace(ROWS[1], qos=0))

    async def main() -> None:
        box, mqtt = Box(), adapter(settings(broker.port, rows=rows))
        async with listening(mqtt, box):
            with Publisher(broker.port) as publisher:
                await away(lambda: publisher.send("plant/pump/flow", "1", qos=0))
            await until(lambda: box.readings)
        await mqtt.close()
        assert mqtt.details()["may_lose"] == [
            {"topic": "json/+", "reason": "subscribed with QoS 0"},
            {"topic": "plant/{asset_id}/{param}", "reason": "published or subscribed with QoS 0"},
        ]

    run(main())


def test_what_the_broker_kept_is_of_unknown_age(broker: Mosquitto) -> None:
    async def main() -> None:
        with Publisher(broker.port) as publisher:
            await away(lambda: publisher.send("plant/pump/flow", "1", retain=True))
        box, mqtt = Box(), adapter(settings(broker.port))
        async with listening(mqtt, box):
            await until(lambda: box.readings)
        await mqtt.close()
        assert box.batches[0].reasons == {0: "retained"}

    run(main())


def test_the_same_topics_are_not_asked_for_again_and_others_are(broker: Mosquitto, tmp_path: Path) -> None:
    """A subscription that is repeated brings every retained message once more."""

    async def readings(rows: tuple[TopicRow, ...]) -> list[str]:
        box, mqtt = Box(), adapter(settings(broker.port, rows=rows), tmp_path)
        async with listening(mqtt, box):
            await asyncio.sleep(0.2)
        await mqtt.close()
        return [parameter for _, parameter, _ in box.readings]

    async def main() -> None:
        with Publisher(broker.port) as publisher:
            await away(lambda: publisher.send("plant/pump/flow", "1", retain=True))
            await away(lambda: publisher.send("mill/a/speed", "1", retain=True))
        assert await readings(ROWS) == ["flow"]
        assert await readings(ROWS) == []
        assert await readings((TopicRow(topic="mill/{asset_id}/{param}", payload=PayloadKind.NUMBER),)) == ["speed"]
        with Publisher(broker.port) as publisher:
            await away(lambda: publisher.send("plant/pump/flow", "2"))
        assert await readings((TopicRow(topic="mill/{asset_id}/{param}", payload=PayloadKind.NUMBER),)) == []

    run(main())


async def refusal(config: MqttConfig) -> str:
    mqtt = adapter(config)
    with pytest.raises((NotConnected, OSError)) as caught:
        await mqtt.connect(mqtt.peers[0])
    await mqtt.close()
    return str(caught.value)


def test_a_wrong_password_says_so(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")

    async def main() -> None:
        with mosquitto(tmp_path, f"allow_anonymous false\npassword_file {tmp_path / 'users'}") as broker:
            for version in Version:
                said = await refusal(settings(broker.port, version, username="gateway", password="secret"))
                assert "ot authori" in said
                assert "secret" not in said

    run(main())


def test_a_broker_that_is_not_there_is_named(unused_tcp_port: int) -> None:
    async def main() -> None:
        assert await refusal(settings(unused_tcp_port)) == f"127.0.0.1:{unused_tcp_port}: Connection refused"

    run(main())
