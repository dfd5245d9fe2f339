"""Network servers over a real broker (mosquitto): messages become readings, acknowledged when the log has them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters.lora import Lora
from streamforge.adapters.lora_config import LoraConfig, LoraDevice, LoraRow, LoraSource
from streamforge.adapters.mqtt_source import Source, Version
from streamforge.adapters.tags import Classification, DataType
from streamforge.config import load
from streamforge.errors import NotConnected
from tests.adapters.mqtt_bench import away, run, until
from tests.adapters.mqtt_certificates import Authority
from tests.adapters.mqtt_hostile import Peer, connack, hostile, publish
from tests.adapters.mqtt_peers import Box, Mosquitto, Publisher, mosquitto
from tests.adapters.mutations import mutations
from tests.adapters.radio_peers import shown
from tests.adapters.test_lora import SERVER_CASES
from tests.adapters.test_lora_servers import CHIRPSTACK, TTN, message

TAGS = (LoraRow(param="level", at="OBJECT.level"), LoraRow(param="count", at="FCNT"))
SUBSCRIBE, PUBACK = 0x80, 0x40
UP = "application/1/device/0101010101010101/event/up"
every_version = pytest.mark.parametrize("version", list(Version), ids=lambda version: version.value)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


def settings(broker: str, tags: Sequence[LoraRow] = TAGS, source: LoraSource | None = None, **mqtt: Any) -> LoraConfig:
    keys: dict[str, Any] = {"client_id": "farm", "connect_timeout_s": 3, **mqtt}
    return LoraConfig(
        source=source or LoraSource(transport="chirpstack"),
        mqtt=Source(broker=broker, **keys),
        devices=(LoraDevice(asset_id="tank", dev_eui="0101010101010101", tags=tuple(tags)),),
    )


def lora(port: int, state: Path | None = None, **keys: Any) -> Lora:
    made = Lora(settings(f"mqtt://127.0.0.1:{port}", **keys))
    made.state_directory = state
    return made


async def _listen_for_ever(adapter: Lora, box: Box) -> None:
    while True:
        await adapter.listen(adapter.peers[0], box)


@asynccontextmanager
async def listening(adapter: Lora, box: Box) -> AsyncIterator["asyncio.Task[None]"]:
    """Connected, subscribed and listening as the runner lets it; the task ends with what `listen` raises."""
    await adapter.connect(adapter.peers[0])
    task = asyncio.create_task(_listen_for_ever(adapter, box))
    await until(lambda: task.done() or not any("not answered" in remark for remark in adapter.remarks()))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def figure(adapter: Lora, name: str) -> float:
    return adapter.figures().get(("", name), 0.0)


def counts(box: Box) -> list[object]:
    return [value for _, parameter, value in box.readings if parameter == "count"]


async def publish_all(port: int, messages: Sequence[tuple[str, bytes]]) -> None:
    with Publisher(port) as publisher:
        await away(lambda: publisher.send_all(messages))


@pytest.mark.parametrize("case", SERVER_CASES)
def test_case(case: str, broker: Mosquitto) -> None:
    """config.toml, heard.json: topics with messages (JSON, or another text), expected.json: what came of them."""
    folder = Path(__file__).parents[1] / "cases" / "lora" / case
    expected = json.loads((folder / "expected.json").read_text())
    heard = json.loads((folder / "heard.json").read_text())
    messages = [(one["topic"], one.get("text", json.dumps(one.get("message"))).encode()) for one in heard]
    config = load(folder / "config.toml", LoraConfig)
    assert config.mqtt is not None

    async def main() -> None:
        mqtt = replace(config.mqtt, broker=f"mqtt://127.0.0.1:{broker.port}")  # type: ignore[type-var]
        adapter, box = Lora(replace(config, mqtt=mqtt)), Box()
        async with listening(adapter, box):
            await publish_all(broker.port, messages)
            await until(lambda: figure(adapter, "uplinks") == len(messages))
        await adapter.close()
        assert [shown(batch) for batch in box.batches] == expected["batches"]
        assert [batch.device_times_us[0] for batch in box.batches] == expected["times_us"]
        assert all(one.reason.startswith(said) for one, said in zip(box.refused, expected["refused"], strict=True))
        figures = {"/".join(key): value for key, value in adapter.figures().items()}
        assert {name: figures[name] for name in expected["figures"]} == expected["figures"]

    run(main())


@every_version
def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(broker: Mosquitto, version: Version) -> None:
    async def main() -> None:
        first, box = lora(broker.port, version=version), Box(is_held=True)
        async with listening(first, box):
            await publish_all(broker.port, [(UP, message(CHIRPSTACK, fCnt=count)) for count in (1, 2, 3)])
            await until(lambda: counts(box) == [1, 2, 3])
            box.acknowledge(1)
            assert first.details()["unacknowledged"] == 2
        await first.close()
        second, again = lora(broker.port, version=version), Box()
        async with listening(second, again):
            await until(lambda: counts(again) == [2, 3])
            await until(lambda: second.details()["unacknowledged"] == 0)
        await second.close()
        third, none = lora(broker.port, version=version), Box()
        async with listening(third, none):
            await publish_all(broker.port, [(UP, message(CHIRPSTACK, fCnt=4))])
            await until(lambda: counts(none) == [4])
        await third.close()

    run(main())


def test_an_uplink_is_acknowledged_when_the_log_has_the_readings_of_all_its_assets(broker: Mosquitto) -> None:
    tags = (*TAGS, LoraRow(param="outside", at="OBJECT.level", asset_id="yard"))

    async def main() -> None:
        adapter, box = lora(broker.port, tags=tags), Box(is_held=True)
        async with listening(adapter, box):
            await publish_all(broker.port, [(UP, message(CHIRPSTACK))])
            await until(lambda: [batch.asset_id for batch in box.batches] == ["tank", "yard"])
            box.acknowledge(1)
            assert adapter.details()["unacknowledged"] == 1
            box.acknowledge()
            assert adapter.details()["unacknowledged"] == 0
        await adapter.close()

    run(main())


def test_the_broker_keeps_what_is_sent_while_nobody_listens(broker: Mosquitto, tmp_path: Path) -> None:
    async def main() -> None:
        adapter = lora(broker.port, tmp_path)
        async with listening(adapter, Box()):
            pass
        await adapter.close()
        await publish_all(broker.port, [(UP, message(CHIRPSTACK, fCnt=count)) for count in range(300)])
        second, box = lora(broker.port, tmp_path), Box()
        async with listening(second, box):
            await until(lambda: counts(box) == list(range(300)))
        await second.close()
        assert second.details()["is_session_present"]

    run(main())


def test_a_topic_that_is_asked_for_no_more_brings_nothing_more(broker: Mosquitto, tmp_path: Path) -> None:
    async def main() -> None:
        before = lora(broker.port, tmp_path, source=LoraSource(transport="chirpstack", topic="old/+/up"))
        async with listening(before, Box()):
            pass
        await before.close()
        adapter, box = lora(broker.port, tmp_path), Box()
        async with listening(adapter, box):
            both = [("old/7/up", message(CHIRPSTACK, fCnt=1)), (UP, message(CHIRPSTACK, fCnt=2))]
            await publish_all(broker.port, both)
            await until(lambda: counts(box) == [2])
            assert figure(adapter, "uplinks") == 1
        await adapter.close()

    run(main())


def test_ttn_on_a_topic_of_ones_own(broker: Mosquitto) -> None:
    tags = (
        LoraRow(param="raw", at="HR0", type=DataType.UINT16, fport=1),
        LoraRow(param="warm", at="OBJECT.temperature", classification=Classification.EVENT),
        LoraRow(param="rssi", at="RSSI"),
    )
    ids = {**TTN["end_device_ids"], "dev_eui": "0101010101010101"}

    async def main() -> None:
        source = LoraSource(transport="ttn", topic="own/+/up")
        adapter, box = lora(broker.port, tags=tags, source=source), Box()
        async with listening(adapter, box):
            await publish_all(broker.port, [("own/7/up", message(TTN, end_device_ids=ids))])
            await until(lambda: bool(box.batches))
        await adapter.close()
        assert box.readings == [("tank", "raw", 0x8241), ("tank", "warm", 1.0), ("tank", "rssi", -35.0)]
        assert box.batches[0].device_times_us == (1_581_520_545_787_000,)
        assert adapter.figures()["tank", "rssi_dbm"] == -35

    run(main())


def test_what_is_no_uplink_is_kept_with_its_bytes_and_acknowledged_then(broker: Mosquitto) -> None:
    other = json.dumps(json.loads(message(CHIRPSTACK)) | {"deviceInfo": {"devEui": "02" * 8}}).encode()
    bad = [
        b"",
        b"{",
        b"\xff\x00",
        b"[" * 100_000,
        b'{"deviceInfo": 7}',
        message(CHIRPSTACK, data="***"),
        b"x" * 300_000,
    ]

    async def main() -> None:
        adapter, box = lora(broker.port, max_payload_bytes=200_000), Box(is_held=True)
        async with listening(adapter, box):
            await publish_all(broker.port, [(UP, raw) for raw in (*bad, other, message(CHIRPSTACK, fCnt=9))])
            await until(lambda: counts(box) == [9])
            assert [one.payload for one in box.refused] == [raw[:200_000] for raw in bad]
            assert {one.where for one in box.refused} == {UP}
            assert adapter.details()["unacknowledged"] == len(bad) + 1, "each until its dead letter is on the log"
            box.acknowledge()
            assert adapter.details()["unacknowledged"] == 0
        await adapter.close()
        assert figure(adapter, "malformed_messages") == len(bad)
        assert figure(adapter, "messages_of_unknown_devices") == 1
        assert str(adapter.details()["last_refused"]).startswith(f"{UP}: 300000 bytes, and max_payload_bytes is 200000")

    run(main())


def test_mutated_messages_neither_crash_nor_stick(broker: Mosquitto) -> None:
    async def main() -> None:
        adapter, box = lora(broker.port), Box()
        async with listening(adapter, box) as task:
            await publish_all(broker.port, [(UP, raw) for raw in mutations([message(CHIRPSTACK)], 2_000)])
            await publish_all(broker.port, [(UP, message(CHIRPSTACK, fCnt=77))])
            await until(lambda: counts(box)[-1:] == [77])
            assert not task.done()
            assert adapter.details()["unacknowledged"] == 0
        await adapter.close()

    run(main())


def test_messages_of_qos_0_are_counted_as_what_may_be_lost(broker: Mosquitto) -> None:
    async def main() -> None:
        adapter, box = lora(broker.port), Box()
        async with listening(adapter, box):
            with Publisher(broker.port) as publisher:
                await away(lambda: publisher.send(UP, message(CHIRPSTACK, fCnt=1), qos=0))
                await away(lambda: publisher.send(UP, message(CHIRPSTACK, fCnt=2)))
            await until(lambda: counts(box) == [1, 2])
        await adapter.close()
        assert (figure(adapter, "uplinks"), figure(adapter, "uplinks_that_may_be_lost")) == (2, 1)

    run(main())


def test_a_repeat_of_what_is_on_its_way_to_the_log_is_no_second_reading(broker: Mosquitto) -> None:
    """The broker is gone and comes back; this process has not told it what it took."""

    async def main() -> None:
        adapter, box = lora(broker.port), Box(is_held=True)
        async with listening(adapter, box) as task:
            await publish_all(broker.port, [(UP, message(CHIRPSTACK, fCnt=count)) for count in (1, 2)])
            await until(lambda: counts(box) == [1, 2])
            await away(broker.stop)
            await until(task.done)
            assert isinstance(task.exception(), NotConnected)
            assert f"127.0.0.1:{broker.port}: " in str(task.exception())
        with pytest.raises(NotConnected, match=f"127.0.0.1:{broker.port}: Connection refused"):
            await adapter.connect(adapter.peers[0])
        await away(broker.start)
        async with listening(adapter, box):
            await publish_all(broker.port, [(UP, message(CHIRPSTACK, fCnt=3))])
            await until(lambda: counts(box) == [1, 2, 3])
            assert adapter.details()["recognised"] == 2
        await adapter.close()

    run(main())


def refusal(config: LoraConfig) -> str:
    """Why the connection fails; "" = it stands."""

    async def main() -> str:
        adapter = Lora(config)
        try:
            await adapter.connect(adapter.peers[0])
        except NotConnected as error:
            return str(error)
        finally:
            await adapter.close()
        return ""

    return asyncio.run(main())


@every_version
def test_a_wrong_password_says_so_and_does_not_show_it(tmp_path: Path, version: Version) -> None:
    (tmp_path / "users").write_text("")
    with mosquitto(tmp_path, f"allow_anonymous false\npassword_file {tmp_path / 'users'}") as broker:
        keys: dict[str, Any] = {"version": version, "username": "tanks@ttn", "password": "hunter2"}
        said = refusal(settings(f"mqtt://127.0.0.1:{broker.port}", **keys))
    assert said.startswith(f"127.0.0.1:{broker.port}: refused: Not authori")
    assert "hunter2" not in said


def test_tls_with_certificates_that_know_each_other_and_with_others(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    own, own_key = authority.issue("gateway")
    extra = f"allow_anonymous true\ncafile {authority.certificate}\ncertfile {certificate}\nkeyfile {key}\n"
    other = tmp_path / "other"
    other.mkdir()
    with mosquitto(tmp_path, f"{extra}require_certificate true") as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        good: dict[str, Any] = {"ca_file": str(authority.certificate), "cert_file": str(own), "key_file": str(own_key)}
        assert refusal(settings(url, **good)) == ""
        assert "the broker's certificate is refused" in refusal(
            settings(url, **{**good, "ca_file": str(Authority(other).certificate)})
        )
        assert refusal(settings(url, ca_file=str(authority.certificate))) != "", "the broker asks for ours"


def test_a_topic_that_the_broker_does_not_grant_is_remarked() -> None:
    async def script(peer: Peer) -> None:
        peer.grants = 128
        peer.send(connack())
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            adapter = lora(broker.port, version=Version.V3)
            async with listening(adapter, Box()):
                assert adapter.remarks() == ["the broker does not grant application/+/device/+/event/up"]
            await adapter.close()

    run(main())


def test_what_waits_for_the_log_is_bounded_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that floods, while the log is away; it is told in order, and nothing is published to it."""
    monkeypatch.setattr("streamforge.adapters.mqtt_acks.MOST_HELD", 100)
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        peer.send(connack())
        for count in range(400):
            peer.send(publish(UP, message(CHIRPSTACK, fCnt=count), count + 1))
        await peer.packets()

    async def main() -> None:
        async with hostile(script) as broker:
            adapter, box = lora(broker.port, version=Version.V3), Box(is_held=True)
            await adapter.connect(adapter.peers[0])
            task = asyncio.create_task(_listen_for_ever(adapter, box))
            await until(lambda: adapter.details()["unacknowledged"] == 100)
            await until(lambda: len(counts(box)) == 100)
            box.is_held = False
            box.acknowledge()
            await until(lambda: counts(box) == list(range(400)))
            await until(lambda: peers[0].acknowledged == list(range(1, 401)))
            assert set(peers[0].seen) == {SUBSCRIBE, PUBACK}
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await adapter.close()

    run(main())


def test_only_a_server_can_wait_and_only_it_needs_the_client_library() -> None:
    """What was not acknowledged comes again after a kill, so the runner looks first at what stands on the log."""
    assert lora(1).can_wait
    code = (
        "import sys; from streamforge.adapters.lora import *\n"
        "from streamforge.adapters.lora_config import *\n"
        "device = LoraDevice(asset_id='a', tags=(LoraRow(param='p', at='40001'),))\n"
        "made = Lora(LoraConfig(source=LoraSource(transport='serial', lora_port='/p'), devices=(device,)))\n"
        "assert not made.can_wait and not [name for name in sys.modules if name.startswith('paho')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
