"""What a probe hears of a real broker: topics, rates, payloads, Sparkplug; and that nobody notices it."""

import argparse
import asyncio
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamforge.adapters import mqtt_probe
from streamforge.adapters.mqtt_config import MqttConfig, PayloadKind
from streamforge.adapters.mqtt_heard import clock_of, kind_of
from streamforge.adapters.mqtt_routes import Routes
from streamforge.adapters.mqtt_times import TimeFormat
from streamforge.adapters.probing import Finding
from streamforge.cli import check, probe
from streamforge.config import load
from streamforge.errors import NotConnected
from tests.adapters.mqtt_bench import adapter, away, listening, run, settings, until
from tests.adapters.mqtt_peers import MOSQUITTO, Box, Mosquitto, Publisher, mosquitto
from tests.adapters.sparkplug_encoder import M, payload

STATE = '{"ts": 1767323045678, "t": 21.5, "motor": {"rpm": [3, 4]}, "water leak": false}'
KEPT = (("plant/a/speed", "21.5"), ("hall/door", "on"), ("line/name", "No. 7"), ("state/b", STATE),
        ("radio/c", b"\x01\xff"))  # fmt: skip
BIRTH = payload(M("bdSeq", "long", 3, type=8), M("Temp", value=20.5, type=10, alias=5), seq=0)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One that keeps a message of each kind."""
    with mosquitto(tmp_path_factory.mktemp("broker")) as running:
        with Publisher(running.port) as publisher:
            for topic, content in KEPT:
                publisher.send(topic, content, retain=True)
        yield running


def hear(port: int, *words: str, seconds: str = "0.3") -> Finding:
    parser = argparse.ArgumentParser()
    mqtt_probe.add_arguments(parser)
    given = parser.parse_args([f"mqtt://127.0.0.1:{port}", "--seconds", seconds, *words])
    return asyncio.run(mqtt_probe.probe(given))


def rows(finding: Finding, title: str) -> dict[str, tuple[str, ...]]:
    table = next(one for one in finding.tables if one.title == title)
    return {row[0]: row[1:] for row in table.rows}


@contextmanager
def publishing(port: int, *messages: tuple[str, bytes]) -> Iterator[None]:
    """Somebody who sends these again and again."""
    ended = threading.Event()

    def send() -> None:
        with Publisher(port) as publisher:
            while not ended.wait(0.02):
                for topic, content in messages:
                    publisher.send(topic, content, qos=0)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_topics_are_listed_with_what_they_are(broker: Mosquitto, version: str) -> None:
    finding = hear(broker.port, "--version", version)
    assert finding.summary == f"127.0.0.1:{broker.port}: 5 topics in 0.3 s"
    assert rows(finding, "Topics") == {
        "hall/door": ("0", "0", "yes", "bool", "on"),
        "line/name": ("0", "0", "yes", "text", "No. 7"),
        "plant/a/speed": ("0", "0", "yes", "number", "21.5"),
        "radio/c": ("0", "0", "yes", "bytes", "01 ff"),
        "state/b": ("0", "0", "yes", "json", f"{STATE[:47]}..."),
    }
    in_json = next(table for table in finding.tables if table.title == "In JSON")
    assert [row[1:] for row in in_json.rows] == [
        ("$.ts", "1767323045678"), ("$.t", "21.5"), ("$.motor.rpm[0]", "3"), ("$.motor.rpm[1]", "4"),
        ("$.water leak", "false"),
    ]  # fmt: skip


def test_what_is_sent_meanwhile_has_a_rate_and_is_not_retained(broker: Mosquitto) -> None:
    with publishing(broker.port, ("live/x", b"1")):
        count, rate, retained, _, _ = rows(hear(broker.port, "--topic", "live/#", seconds="0.5"), "Topics")["live/x"]
    assert int(count) > 3
    assert float(rate) == pytest.approx(int(count) / 0.5, rel=0.01)
    assert retained == ""


def test_the_configuration_is_good_and_reads_what_was_heard(broker: Mosquitto, tmp_path: Path) -> None:
    finding = hear(broker.port)
    place = tmp_path / "adapters" / "mqtt"
    place.mkdir(parents=True)
    (place / "found.toml").write_text(finding.toml)
    assert check.run([str(tmp_path)]) == 0
    config = load(place / "found.toml", MqttConfig)
    routes = Routes(config.topics)
    found = {
        topic: [(one.asset_id, one.parameter, one.value, one.time_us) for one in route.read(content, is_retained=False)]
        for topic, text in KEPT
        if (route := routes.find(topic)) and (content := text if isinstance(text, bytes) else text.encode())
    }
    at = 1767323045678000
    assert found == {
        "plant/a/speed": [("plant/a", "speed", 21.5, 0)],
        "hall/door": [("hall", "door", True, 0)],
        "line/name": [("line", "name", "No. 7", 0)],
        "state/b": [
            ("state/b", "t", 21.5, at), ("state/b", "motor.rpm.0", 3.0, at), ("state/b", "motor.rpm.1", 4.0, at),
            ("state/b", "water leak", False, at),
        ],
    }  # fmt: skip
    assert '# "radio/c": 2 bytes' in finding.toml
    assert tomllib.loads(hear(broker.port).toml)["source"]["client_id"] != config.source.client_id, (
        "never the same twice"
    )


def test_births_are_decoded_and_what_waits_for_one_is_said(broker: Mosquitto, tmp_path: Path) -> None:
    data = payload(M(alias=9, value=1.0), seq=1)
    with publishing(broker.port, ("spBv1.0/G/NBIRTH/N", BIRTH), ("spBv1.0/G/NDATA/Other", data)):
        finding = hear(broker.port, "--topic", "spBv1.0/#")
    assert rows(finding, "Topics")["spBv1.0/G/NBIRTH/N"][3:] == ("Sparkplug B", "")
    assert rows(finding, "Sparkplug metrics") == {"G/N": ("Temp", "20.5", "Double", "")}
    assert "waiting for the birth of G/Other" in finding.summary
    (tmp_path / "found.toml").write_text(finding.toml)
    assert load(tmp_path / "found.toml", MqttConfig).sparkplug.groups == ("G",)


def test_an_adapter_does_not_notice_it_and_the_broker_keeps_nothing_of_it(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:

        async def main() -> None:
            box, mqtt = Box(is_held=True), adapter(settings(broker.port), tmp_path)
            async with listening(mqtt, box) as task:
                with Publisher(broker.port) as publisher:
                    await away(lambda: publisher.send("plant/a/speed", "1"))
                    await away(lambda: hear(broker.port))
                    await away(lambda: publisher.send("plant/a/speed", "2"))
                await until(lambda: len(box.readings) == 2)
                assert not task.done(), "its connection stands"
                box.acknowledge()
            await mqtt.close()

        run(main())
        broker.stop()
        kept = (tmp_path / "mosquitto.db").read_bytes()
        assert b"under-test" in kept
        assert b"streamforge-probe" not in kept


def test_there_are_bounds(broker: Mosquitto) -> None:
    finding = hear(broker.port, "--most", "2")
    assert len(rows(finding, "Topics")) == 2
    assert finding.summary.endswith("3 messages of more topics are left out: --topic and --most choose")
    assert list(rows(hear(broker.port, "--topic", "plant/+/speed"), "Topics")) == ["plant/a/speed"]


def test_where_nothing_is_sent_there_is_nothing_to_configure(broker: Mosquitto) -> None:
    finding = hear(broker.port, "--topic", "nobody/#")
    assert (finding.tables, finding.toml) == ([], "")


def test_where_nobody_is_it_says_so(unused_tcp_port: int) -> None:
    with pytest.raises(NotConnected, match=f"127.0.0.1:{unused_tcp_port}: Connection refused"):
        hear(unused_tcp_port)


def test_a_password_comes_from_a_file_and_is_a_secret_in_the_configuration(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    made = Path(MOSQUITTO).parent.parent / "bin" / "mosquitto_passwd"
    subprocess.run([made, "-b", "-c", str(passwords), "gateway", "sesame"], check=True)
    (tmp_path / "password").write_text("sesame\n")
    with mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}") as broker:
        with pytest.raises(NotConnected, match="refused: Not authorized"):
            hear(broker.port)
        words = ("--user", "gateway", "--password-file", str(tmp_path / "password"))
        assert hear(broker.port, *words).summary.endswith("0 topics in 0.3 s")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("http://broker",), "write for example mqtt://"),
        (("broker", "--topic", "a/#/b"), "# stands at the end alone"),
        (("broker", "--seconds", "0"), "must be above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe.run(["mqtt", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"21.5", PayloadKind.NUMBER), (b" 7\n", PayloadKind.NUMBER), (b"0", PayloadKind.NUMBER),
        (b"TRUE", PayloadKind.BOOL), (b"off", PayloadKind.BOOL), (b"nan", PayloadKind.TEXT), (b"1_0", PayloadKind.TEXT),
        (b'{"a": 1}', PayloadKind.JSON), (b"[1, 2]", PayloadKind.JSON), (b"{idle}", PayloadKind.TEXT),
        (b"\x00\x01", PayloadKind.BYTES), (b"\xff", PayloadKind.BYTES),
    ],
)  # fmt: skip
def test_a_payload_is_the_most_exact_that_it_can_be(content: bytes, kind: PayloadKind) -> None:
    assert kind_of(content) is kind


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("ts", 1767323045, TimeFormat.UNIX_S), ("Time", 1767323045678, TimeFormat.UNIX_MS),
        ("t", 1767323045678901, TimeFormat.UNIX_US), ("timestamp", "2026-01-02T03:04:05Z", TimeFormat.ISO),
        ("t", 21.5, None), ("count", 1767323045, None), ("ts", "soon", None), ("ts", True, None),
    ],
)  # fmt: skip
def test_a_time_is_known_by_its_name_and_its_value(name: str, value: object, form: TimeFormat | None) -> None:
    assert clock_of((name,), value) is form
