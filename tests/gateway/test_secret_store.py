"""Secrets of units: found in the configuration, kept encrypted under the unit's name, never shown."""

import io
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from streamforge.cli import secret
from streamforge.errors import Fatal
from streamforge.gateway.secret_store import Secret, SecretStore, encrypt

MQTT, COPY = "streamforge-adapter-mqtt@line", "streamforge-sink-postgres@plant"


def upside_down(name: str, value: bytes) -> bytes:
    return name.encode() + b":" + value[::-1]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    """A store beside a configuration in which two units ask for secrets, one of them for the same one twice."""
    for kind, name, text in (
        ("adapters/mqtt", "line", '[source]\nusername = "${secret:user}"\npassword = "${secret:user}-${secret:key}"\n'),
        (
            "sinks/postgres",
            "plant",
            '[target]\nurl = "pg://u:${secret:key}@db"\nhosts = ["${secret:not ok}"]\n',
        ),
        ("sinks/file", "broken", "not toml ${secret:none}"),
    ):
        (tmp_path / "etc" / kind).mkdir(parents=True)
        (tmp_path / "etc" / kind / f"{name}.toml").write_text(text)
    store = SecretStore(encrypted=tmp_path / "encrypted", plain=tmp_path / "plain")
    monkeypatch.setenv("STREAMFORGE_CONFIG", str(tmp_path / "etc"))
    monkeypatch.setattr(secret, "SecretStore", lambda: store)
    monkeypatch.setattr(secret, "encrypt", upside_down)
    return store


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = secret.run(list(words))
    out = capsys.readouterr()
    return code, out.out + out.err


def test_what_the_configuration_asks_for_is_listed_by_unit(store: SecretStore, tmp_path: Path) -> None:
    store.put(MQTT, "user", "x", upside_down)
    assert store.wanted(tmp_path / "etc") == [
        Secret(unit=MQTT, name="key", is_there=False),
        Secret(unit=MQTT, name="user", is_there=True),
        Secret(unit=COPY, name="key", is_there=False),
    ]


def test_a_value_is_kept_for_every_unit_that_asks_for_it_and_readable_by_root_alone(
    store: SecretStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.plain.mkdir()
    (store.plain / f"{MQTT}.key").write_text("old and plain")
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret\nmore\n"))
    code, text = said(capsys, "set", "key")
    assert (code, "s3cret" in text) == (0, False)
    for unit in (MQTT, COPY):
        path = store.path(unit, "key")
        assert path.read_bytes() == f"{unit}.key:terc3s".encode()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert f"kept for {unit}" in text
    assert stat.S_IMODE(store.encrypted.stat().st_mode) == 0o700
    assert not (store.plain / f"{MQTT}.key").exists()
    assert said(capsys, "list")[1].splitlines() == [
        f"{MQTT}  key  there",
        f"{MQTT}  user  MISSING",
        f"{COPY}  key  there",
    ]


def test_a_unit_that_does_not_ask_yet_can_be_named(
    store: SecretStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("x\n"))
    unit = "streamforge-sink-http@a"
    assert said(capsys, "set", "new", "--unit", unit)[0] == 0
    assert store.path(unit, "new").exists()
    assert said(capsys, "remove", "new", "--unit", unit) == (0, f"removed: {unit}\n")
    assert said(capsys, "remove", "new", "--unit", unit) == (0, "it was not there\n")


def test_of_a_pem_text_from_a_pipe_every_line_is_kept(
    store: SecretStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Bag Attributes\n-----BEGIN PRIVATE KEY-----\nMIG=\n-----END PRIVATE KEY-----"
    monkeypatch.setattr(sys, "stdin", io.StringIO(text + "\n"))
    assert said(capsys, "set", "key")[0] == 0
    assert store.path(MQTT, "key").read_bytes() == f"{MQTT}.key:{text[::-1]}".encode()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("set", "kye"), 'no unit asks for ${secret:kye}; did you mean "key"?'),
        (("set", "a/b"), '"a/b" is no name'),
        (("remove", "none"), "no unit asks for ${secret:none}; known: key, user"),
    ],
)
def test_what_nobody_asks_for_is_refused_with_what_they_do(
    store: SecretStore, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    code, text = said(capsys, *words)
    assert code == 2
    assert message in text
    assert not store.encrypted.exists()


def test_an_empty_value_changes_nothing(store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(Fatal, match="nothing was changed"):
        secret.run(["set", "key"])
    assert not store.encrypted.exists()


def test_what_systemd_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "systemd-creds").write_text("#!/bin/sh\ncat >/dev/null\necho no key >&2\nexit 1\n")
    (tmp_path / "systemd-creds").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Fatal, match="systemd-creds: no key"):
        encrypt("a.b", b"value")


def test_no_value_stands_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(words: list[str], **rest: object) -> subprocess.CompletedProcess[bytes]:
        seen.append(words)
        given = rest["input"]
        assert isinstance(given, bytes)
        return subprocess.CompletedProcess(words, 0, given, b"")

    monkeypatch.setattr(subprocess, "run", run)
    assert encrypt("unit.name", b"value") == b"value"
    assert seen == [["systemd-creds", "encrypt", "--name=unit.name", "-", "-"]]
