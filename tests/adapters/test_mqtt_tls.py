"""TLS to a real broker: who is trusted, who is refused, and what a person then reads."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.adapters.mqtt import Mqtt
from streamforge.adapters.mqtt_config import MqttConfig, PayloadKind, TopicRow
from streamforge.adapters.mqtt_source import Source
from streamforge.errors import NotConnected
from tests.adapters.mqtt_certificates import Authority
from tests.adapters.mqtt_peers import Mosquitto, mosquitto

ROWS = (TopicRow(topic="plant/{asset_id}/{param}", payload=PayloadKind.NUMBER),)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls(directory: Path, certificate: tuple[Path, Path]) -> str:
    """mosquitto's keys: it shows this certificate, and asks for one of the same authority."""
    return (
        f"allow_anonymous true\ncafile {directory / 'ca.pem'}\ncertfile {certificate[0]}\nkeyfile {certificate[1]}\n"
        "require_certificate true"
    )


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path, tls(tmp_path, authority.issue("broker"))) as running:
        yield running


def connect(port: int, **keys: str) -> str:
    """Why the connection fails; "" = it stands."""

    async def main() -> str:
        source = Source(broker=f"mqtts://127.0.0.1:{port}", client_id="c", connect_timeout_s=3, **keys)  # type: ignore[arg-type] # texts only
        mqtt = Mqtt(MqttConfig(source=source, topics=ROWS))
        try:
            await mqtt.connect(mqtt.peers[0])
        except NotConnected as error:
            return str(error)
        finally:
            await mqtt.close()
        return ""

    return asyncio.run(main())


def test_a_broker_and_a_client_that_know_each_other(broker: Mosquitto, tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("gateway")
    files = {"ca_file": tmp_path / "ca.pem", "cert_file": certificate, "key_file": key}
    assert connect(broker.port, **{name: str(path) for name, path in files.items()}) == ""
    texts = {name: path.read_text() for name, path in files.items()}
    assert connect(broker.port, **texts) == "", "as the secrets of the unit hold them"


def test_a_client_without_a_certificate_is_refused_by_the_broker(broker: Mosquitto, tmp_path: Path) -> None:
    said = connect(broker.port, ca_file=str(tmp_path / "ca.pem"))
    assert said.startswith(f"127.0.0.1:{broker.port}: ")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("an authority that we do not know", "the broker's certificate is refused: "),
        ("expired", "certificate has expired"),
        ("another name", "IP address mismatch"),
    ],
)
def test_a_broker_that_is_not_to_be_trusted(tmp_path: Path, authority: Authority, what: str, words: str) -> None:
    issued = {
        "an authority that we do not know": lambda: authority.issue("broker"),
        "expired": lambda: authority.issue("broker", days=-1),
        "another name": lambda: authority.issue("broker", address=None),
    }[what]()
    with mosquitto(tmp_path, tls(tmp_path, issued)) as broker:
        other = tmp_path / "other"
        other.mkdir()
        trusted = Authority(other).certificate if what.startswith("an authority") else tmp_path / "ca.pem"
        said = connect(broker.port, ca_file=str(trusted))
    assert words in said


def test_a_file_that_is_wrong_is_named(broker: Mosquitto, tmp_path: Path, authority: Authority) -> None:
    assert connect(broker.port, ca_file="/nowhere/ca.pem") == "ca_file = /nowhere/ca.pem: No such file or directory"
    certificate, _ = authority.issue("gateway")
    _, key = authority.issue("other")
    said = connect(broker.port, ca_file=str(tmp_path / "ca.pem"), cert_file=str(certificate), key_file=str(key))
    assert said.startswith(f"cert_file and key_file = {certificate}: ")


def test_a_broker_without_tls_is_named(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        assert "no TLS" in connect(broker.port)


def test_a_secret_with_words_before_its_pem_text_is_read_and_never_shown(
    broker: Mosquitto, tmp_path: Path, authority: Authority
) -> None:
    certificate, key = authority.issue("gateway")
    both = "Bag Attributes\n    friendlyName: gateway\n" + certificate.read_text() + key.read_text()
    keys = {"ca_file": str(tmp_path / "ca.pem"), "cert_file": both, "key_file": both}
    assert connect(broker.port, **keys) == ""
    _, other = authority.issue("other")
    said = connect(broker.port, **{**keys, "key_file": other.read_text()})
    assert said.startswith("cert_file and key_file = the secret: ")
    assert "PRIVATE KEY" not in said
