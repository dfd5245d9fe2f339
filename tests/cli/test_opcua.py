"""`streamforge opcua trust`: the list, and a person's word."""

from pathlib import Path

import pytest

from streamforge.adapters.opcua_trust import Claim, TrustList, Untrusted, fingerprint, now_utc, parse_certificate
from streamforge.cli.opcua import run
from tests.adapters.opcua_certificates import DER, pair


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The fingerprint of a server that the adapter `boiler` has refused."""
    monkeypatch.setenv("STREAMFORGE_ROOT", str(tmp_path))
    trust = TrustList(tmp_path / "state" / "streamforge-adapter-opcua@boiler" / "pki")
    trust.make()
    server = pair("urn:plc")[0]
    with pytest.raises(Untrusted):
        trust.judge(Claim(certificate=server.public_bytes(DER), application_uri="urn:plc", host="plc"), now_utc())
    return fingerprint(server)


def test_a_refused_server_is_listed_and_then_trusted(refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trust"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["boiler", "rejected", refused]
    assert run(["trust", refused[:16]]) == 0
    assert f"boiler: {refused} is trusted" in capsys.readouterr().out
    assert run(["trust"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["boiler", "trusted", refused]


def test_the_gateways_own_certificate_is_listed_for_the_servers_people(
    refused: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = TrustList(tmp_path / "state" / "streamforge-adapter-opcua@boiler" / "pki")
    file, _ = trust.own("urn:gw:streamforge", "gw", now_utc())
    capsys.readouterr()
    assert run(["trust"]) == 0
    own = capsys.readouterr().out.splitlines()[-1].split()
    assert own[:3] == ["boiler", "own", fingerprint(parse_certificate(file.read_bytes()))]


def test_a_certificate_that_a_person_brings_is_trusted_before_any_server_has_shown_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMFORGE_ROOT", str(tmp_path))
    monkeypatch.setenv("STREAMFORGE_CONFIG", str(tmp_path / "configuration"))
    (tmp_path / "configuration/adapters/opcua").mkdir(parents=True)
    (tmp_path / "configuration/adapters/opcua/boiler.toml").touch()
    server, file = pair("urn:plc")[0], tmp_path / "server.der"
    file.write_bytes(server.public_bytes(DER))
    assert run(["trust", "--file", str(file), "--instance", "other"]) == 1
    assert "no adapter opcua other is configured" in capsys.readouterr().err
    assert run(["trust", "--file", str(file)]) == 0
    assert f"streamforge-adapter-opcua@boiler: {fingerprint(server)} is trusted" in capsys.readouterr().out
    trust = TrustList(tmp_path / "state/streamforge-adapter-opcua@boiler/pki")
    trust.judge(Claim(certificate=server.public_bytes(DER), application_uri="urn:plc", host="plc"), now_utc())
    file.write_text("nothing of the kind")
    assert run(["trust", "--file", str(file)]) == 1
    assert "no certificate, neither DER nor PEM" in capsys.readouterr().err


def test_a_fingerprint_that_nobody_has_is_an_error(refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trust", "00000000"]) == 1
    assert "boiler: 0 rejected certificates begin with '00000000'" in capsys.readouterr().err
    assert run(["trust", refused, "--instance", "other"]) == 1


def test_a_gateway_without_opcua_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMFORGE_ROOT", str(tmp_path))
    assert run(["trust"]) == 0
    assert "no certificate yet" in capsys.readouterr().out
