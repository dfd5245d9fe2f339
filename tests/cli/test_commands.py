"""The command line: what it prints, and its exit codes."""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from streamforge.__main__ import PEOPLE, SERVICES
from streamforge.cli.status import text
from streamforge.gateway.overview import Overview, State, UnitView
from streamforge.model import TimeQuality
from tests.repo.tree import ROOT

SHARE = ROOT / "rootfs" / "usr" / "share" / "streamforge"


def run(*words: str, root: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, on a gateway that has nothing."""
    names = ("CREDENTIALS_DIRECTORY", "STREAMFORGE_KAFKA_PASSWORD_FILE", "STREAMFORGE_CONFIG", "NOTIFY_SOCKET")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if root is not None:
        environment |= {"STREAMFORGE_ROOT": str(root), "STREAMFORGE_RUN": str(root)}
    command = [sys.executable, "-m", "streamforge", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)


def test_without_a_word_it_lists_its_commands() -> None:
    done = run()
    assert done.returncode == 0
    assert all(re.search(rf"^  {name}\b", done.stdout, re.MULTILINE) for name in PEOPLE | SERVICES)


def test_an_unknown_command_is_said_with_the_list() -> None:
    done = run("stauts")
    assert done.returncode == 2
    assert "no command 'stauts'" in done.stderr


@pytest.mark.parametrize("name", ["factory", "sim"])
def test_the_shipped_configurations_are_good(name: str) -> None:
    done = run("check", str(SHARE / name))
    assert (done.returncode, done.stderr) == (0, "")
    assert ": good, " in done.stdout


def test_check_says_all_faults_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "adapters/modbus-tcp").mkdir(parents=True)
    (tmp_path / "adapters/modbus-tcp/a.toml").write_text('[source]\nhsot = "plc"\nport = 99999\n')
    (tmp_path / "gateway.toml").write_text("[kafak]\n")
    done = run("check", str(tmp_path))
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert f'{tmp_path}/adapters/modbus-tcp/a.toml:2: source.hsot: unknown key (did you mean "host"?)' in lines
    assert f'{tmp_path}/gateway.toml:1: kafak: unknown key (did you mean "kafka"?)' in lines
    assert any(":3: source.port: 99999 is out of bounds, must be from 1 to 65535" in line for line in lines)


def test_an_unknown_kind_is_told_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "sinks/flie").mkdir(parents=True)
    (tmp_path / "sinks/flie/a.toml").write_text("")
    done = run("check", str(tmp_path))
    assert 'there is no sink "flie" (did you mean "file"?)' in done.stderr


def test_apply_without_a_systemd_says_so_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/gateway.toml").write_text("[kafka]\npartitions = 0\n")
    done = run("apply", str(tmp_path / "bad"), root=tmp_path)
    assert done.returncode == 78
    assert f"{tmp_path}/bad/gateway.toml:2: kafka.partitions: 0 is out of bounds" in done.stderr
    assert not (tmp_path / "config/current").exists()


def test_apply_wants_a_directory() -> None:
    assert "which directory?" in run("apply").stderr


def test_sample_lists_the_kinds_and_prints_one() -> None:
    assert re.search(r"^adapters .*\bmodbus-tcp\b", run("sample").stdout, re.MULTILINE)
    assert run("sample", "modbus_tcp").stdout == (ROOT / "streamforge/adapters/modbus_tcp.toml").read_text()
    done = run("sample", "modbus-tpc")
    assert (done.returncode, done.stderr.count('did you mean "modbus-tcp"?')) == (2, 1)


def test_status_of_a_gateway_without_units_is_not_healthy(tmp_path: Path) -> None:
    done = run("status", "--json", "--seconds", "0", root=tmp_path)
    assert done.returncode == 4
    assert json.loads(done.stdout)["state"] == "UNHEALTHY"


def test_status_has_the_shape_that_its_page_documents(tmp_path: Path) -> None:
    shown = json.loads(run("status", "--json", "--seconds", "0", root=tmp_path).stdout)
    text = (ROOT / "docs" / "cli.md").read_text()
    documented = json.loads(text.partition("```json\n")[2].partition("```")[0])
    assert list(documented) == list(shown)
    assert list(documented["units"][0]) == [field.name for field in fields(UnitView)]


def test_status_says_what_the_doctor_did_and_what_is_set_aside() -> None:
    details = {"doctor": ["meta.properties: empty; restored from the copy"], "aside": ["aside/1, 300 MiB: why"]}
    view = UnitView(unit="kafka", state=State.HEALTHY, status="serving", details=details)
    lines = text(replace(_overview(), units=(view,))).splitlines()
    assert [line.strip() for line in lines[-2:]] == [
        "at the last start: meta.properties: empty; restored from the copy",
        "set aside: aside/1, 300 MiB: why",
    ]


def _overview() -> Overview:
    return Overview(
        time_us=0,
        state=State.HEALTHY,
        generation=1,
        units=(),
        readings=0,
        readings_per_second=None,
        backlog_records=0,
        waiting_bytes=0,
        disk_used_bytes=0,
        disk_total_bytes=0,
        clock=TimeQuality.SYNCED,
    )


@pytest.mark.parametrize("command", [("tail", "telemetry.raw"), ("ledger",)])
def test_who_is_not_root_is_told_which_file_he_cannot_read(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = run(*command, root=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/credentials/kafka-admin: the Kafka password cannot be read" in done.stderr


def test_tail_knows_its_topics(tmp_path: Path) -> None:
    done = run("tail", "telemetry.rwa", root=tmp_path)
    assert 'no topic "telemetry.rwa" (did you mean "telemetry.raw"?)' in done.stderr
