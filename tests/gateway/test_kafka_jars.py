"""The lock of the broker's jars, and the script that fetches them by it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import FETCH

LOCK = FETCH.with_name("jars.lock")
LINES = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
COORDINATES = {line.split()[0].split(":")[1]: line.split()[0].split(":") for line in LINES}


def fetch(destination: Path, lock: Path, machine: str = "amd64") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FETCH), str(destination), "--lock", str(lock), "--machine", machine]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def one_jar(tmp_path: Path, artifact: str, sha512: str | None = None) -> Path:
    line = next(line for line in LINES if f":{artifact}:" in line)
    lock = tmp_path / "one.lock"
    lock.write_text(line if sha512 is None else f"{line.split()[0]} {sha512}")
    return lock


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split()[0])
def test_every_line_is_coordinates_and_a_sha512(line: str) -> None:
    assert re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+(:linux_(amd64|aarch64))? [0-9a-f]{128}", line)


def test_the_version_of_the_broker_is_the_designs() -> None:
    assert COORDINATES["kafka_2.13"][2] == "4.2.2"


@pytest.mark.parametrize("artifact", ["hash4j", "log4j-api", "slf4j-simple", "argparse4j"])
def test_what_only_fails_later_is_there(artifact: str) -> None:
    """The new group protocol, the start itself, every log line, and the format need one of these each."""
    assert artifact in COORDINATES


@pytest.mark.parametrize("artifact", ["scala-reflect", "caffeine", "log4j-core", "snakeyaml", "jose4j", "kafka-tools"])
def test_what_nobody_loads_is_not(artifact: str) -> None:
    assert artifact not in COORDINATES


@pytest.mark.broker
def test_a_jar_with_another_checksum_is_refused_and_not_kept(tmp_path: Path) -> None:
    result = fetch(tmp_path / "libs", one_jar(tmp_path, "slf4j-simple", "0" * 128))
    assert result.returncode == 1
    assert "slf4j-simple-1.7.36.jar: wrong checksum" in result.stderr
    assert not list((tmp_path / "libs").iterdir())


@pytest.mark.broker
def test_a_damaged_jar_is_fetched_again_and_a_foreign_one_removed(tmp_path: Path) -> None:
    libs, lock = tmp_path / "libs", one_jar(tmp_path, "slf4j-simple")
    libs.mkdir()
    (libs / "slf4j-simple-1.7.36.jar").write_bytes(b"damaged")
    (libs / "foreign.jar").touch()
    assert fetch(libs, lock).returncode == 0
    assert [path.name for path in libs.iterdir()] == ["slf4j-simple-1.7.36.jar"]
    assert (libs / "slf4j-simple-1.7.36.jar").stat().st_size > 10_000


def test_what_is_there_and_right_needs_no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "empty.lock"
    lock.write_text("# nothing\n")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert fetch(tmp_path / "libs", lock).returncode == 0


def test_a_missing_maven_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    result = fetch(tmp_path / "libs", one_jar(tmp_path, "slf4j-simple"))
    assert result.returncode == 1
    assert "mvn is not installed" in result.stderr


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "bad.lock"
    lock.write_text("# fine\norg.slf4j:slf4j-simple\n")
    assert f"{lock}:2" in fetch(tmp_path / "libs", lock).stderr
