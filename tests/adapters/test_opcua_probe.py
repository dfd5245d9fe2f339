"""What a probe finds of an OPC UA server: offers, certificate, variables; its configuration is good as it is."""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.adapters import opcua_probe
from streamforge.adapters.opcua_address import address_text, parse_address
from streamforge.adapters.opcua_config import OpcUaConfig
from streamforge.adapters.probing import Finding, Table
from streamforge.cli import check, probe
from streamforge.config import load
from streamforge.errors import NotConnected
from tests.adapters.opcua_certificates import keep, pair, pem
from tests.adapters.opcua_peer import Told, free_port, server
from tests.adapters.opcua_server import APPLICATION


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """One that has every policy, users, and a variable with a unit."""
    with server(keep(tmp_path_factory.mktemp("pki"), pair(APPLICATION))) as told:
        told.tell(unit="PT101", text="bar")
        yield told


@pytest.fixture(scope="module")
def bare() -> Iterator[Told]:
    """One that protects nothing."""
    with server() as told:
        yield told


def look(told: Told, pki: Path, *words: str) -> Finding:
    parser = argparse.ArgumentParser()
    opcua_probe.add_arguments(parser)
    given = parser.parse_args([f"opc.tcp://127.0.0.1:{told.port}", "--pki", str(pki), *words])
    return asyncio.run(opcua_probe.probe(given))


def fingerprint(finding: Finding) -> str:
    return table(finding, "The server's certificate").rows[0][0]


def table(finding: Finding, title: str) -> Table:
    return next(one for one in finding.tables if one.title == title)


def is_good(tmp_path: Path, toml: str) -> OpcUaConfig:
    """What the command `check` says of it, and how it reads."""
    place = tmp_path / "made" / "adapters" / "opcua"
    place.mkdir(parents=True)
    (place / "found.toml").write_text(toml)
    assert check.run([str(tmp_path / "made")]) == 0
    return load(place / "found.toml", OpcUaConfig)


def test_before_a_person_trusts_the_server_it_shows_what_it_offers_and_who_it_is(plant: Told, tmp_path: Path) -> None:
    finding = look(plant, tmp_path)
    assert finding.summary.endswith("is not trusted: compare it, then --trust FINGERPRINT")
    assert finding.toml == ""
    offered = {row[:2]: row[2] for row in table(finding, "What the server offers").rows}
    assert offered["Basic256Sha256", "SignAndEncrypt"] == "anonymous, certificate, password"
    assert {policy for policy, _ in offered} == {
        "None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"
    }  # fmt: skip
    (certificate,) = table(finding, "The server's certificate").rows
    assert "is not trusted: compare it, then --trust FINGERPRINT" in certificate[3]


def test_a_trusted_server_shows_its_variables_with_value_type_unit_and_status(plant: Told, tmp_path: Path) -> None:
    plant.tell(write="Spare", value=2.0, status=0x808D0000)
    finding = look(plant, tmp_path, "--trust", fingerprint(look(plant, tmp_path))[:16])
    assert table(finding, "The server's certificate").rows[0][3] == "trusted"
    again = look(plant, tmp_path, "--trust", fingerprint(finding)[:16])
    assert again.summary == finding.summary, "to say it twice is no mistake"
    assert table(finding, "Variables").columns == ("path", "value", "type", "unit", "status", "at")
    found = {row[0]: row[1:] for row in table(finding, "Variables").rows}
    assert found["Plant/PT101"] == ("7.5", "Double", "bar", "Good", "nsu=urn:plant:boiler;s=PT101")
    assert found["Plant/List"] == ("[1.5, 2.5]", "Double[2]", "", "Good", "nsu=urn:plant:boiler;s=List")
    assert found["Plant/Spare"][3] == "BadOutOfService"
    assert not any(path.startswith("Server/") for path in found), "its own diagnostics are no part of the plant"
    settings = is_good(tmp_path, finding.toml)
    assert (settings.source.security_policy, settings.source.security_mode) == ("Aes256Sha256RsaPss", "SignAndEncrypt")
    assert {(tag.param, tag.at, tag.unit) for tag in settings.devices[0].tags} > {
        ("Plant.PT101", "nsu=urn:plant:boiler;s=PT101", "bar"),
        ("Plant.Spare", "nsu=urn:plant:boiler;s=Spare", ""),
    }


def test_a_search_is_by_name_or_path_and_bounded(bare: Told, tmp_path: Path) -> None:
    def paths(*words: str) -> list[str]:
        return [row[0] for row in table(look(bare, tmp_path, "--security", "None", *words), "Variables").rows]

    assert paths("--search", "P*") == ["Plant/PT101"]
    assert paths("--search", "Plant/*e*", "--search", "PT*") == [
        "Plant/Burner", "Plant/Counter", "Plant/PT101", "Plant/Spare", "Plant/Text"
    ]  # fmt: skip
    assert paths("--at", "nsu=urn:plant:boiler;s=Plant", "--search", "PT*") == ["PT101"]
    assert paths("--depth", "1") == []
    finding = look(bare, tmp_path, "--security", "None", "--search", "*", "--most", "2")
    assert len(table(finding, "Variables").rows) == 2
    assert finding.summary.endswith("2 variables, and there are more: --most, --search and --at choose")


def test_a_server_that_protects_nothing_is_looked_at_only_if_a_person_says_so(bare: Told, tmp_path: Path) -> None:
    finding = look(bare, tmp_path)
    assert finding.summary.endswith("protects nothing: --security None looks all the same")
    assert (finding.toml, len(finding.tables)) == ("", 1)
    settings = is_good(tmp_path, look(bare, tmp_path, "--security", "None").toml)
    assert (settings.source.security_policy, settings.source.security_mode) == ("None", "None")


def test_what_is_not_offered_is_not_replaced_by_less(bare: Told, tmp_path: Path) -> None:
    finding = look(bare, tmp_path, "--security", "Basic256Sha256/Sign")
    assert "does not offer Basic256Sha256 with Sign, but None/None" in finding.summary


def test_a_password_comes_from_a_file_or_a_prompt_and_is_a_secret_in_the_configuration(
    plant: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(plant, tmp_path, "--trust", fingerprint(look(plant, tmp_path)))
    (tmp_path / "password").write_text("secret\n")
    finding = look(plant, tmp_path, "--user", "gateway", "--password-file", str(tmp_path / "password"))
    assert "${secret:opcua-password}" in finding.toml
    assert '"secret"' not in finding.toml
    is_good(tmp_path, finding.toml)
    monkeypatch.setattr("streamforge.adapters.probe_user.getpass", lambda _prompt: "wrong")
    finding = look(plant, tmp_path, "--user", "gateway")
    assert "(user or password is wrong there" in finding.summary
    assert finding.toml == ""

    def nobody(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("streamforge.adapters.probe_user.getpass", nobody)
    with pytest.raises(ValueError, match="--password-file says where it is"):
        look(plant, tmp_path, "--user", "gateway")


def test_a_user_with_a_certificate_is_let_in(plant: Told, tmp_path: Path) -> None:
    look(plant, tmp_path, "--trust", fingerprint(look(plant, tmp_path)))
    for name, content in zip(("user.pem", "user.key"), pem(pair("urn:user")), strict=True):
        (tmp_path / name).write_text(content)
    words = ("--user-certificate", str(tmp_path / "user.pem"), "--user-key", str(tmp_path / "user.key"))
    finding = look(plant, tmp_path, *words, "--search", "PT101")
    assert is_good(tmp_path, finding.toml).source.user_key == "${secret:user-key}"


def test_where_nobody_is_it_says_so(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    opcua_probe.add_arguments(parser)
    port = free_port()
    with pytest.raises(NotConnected, match=f"opc.tcp://127.0.0.1:{port}: Connection refused"):
        asyncio.run(opcua_probe.probe(parser.parse_args([f"127.0.0.1:{port}", "--pki", str(tmp_path)])))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("http://plc",), "write for example"),
        (("plc", "--security", "Basic128"), "'Basic128' is not understood"),
        (("plc", "--at", "T1"), "is no address of a node"),
        (("plc", "--most", "0"), "must be 1 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe.run(["opcua", *words, "--pki", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["nsu=urn:a%3Bb%25;s=x;y", "ns=3;i=7", "i=2258", "ns=2;b=0aff", "ns=1;g=00000000-0000-0000-0000-00000000002a"],
)
def test_an_address_that_is_shown_can_be_written(text: str) -> None:
    address = parse_address(text)
    assert address_text(address) == text  # type: ignore[arg-type] # none of these is a path
