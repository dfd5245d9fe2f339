"""The units' entry points: one process imports its own protocol alone, and a bad configuration ends it with 78."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamforge.gateway.reconciled import STATE_FILE
from streamforge.incarnations import FILE, Incarnations
from tests.repo.tree import ROOT

PROGRAM = """
import sys
sys.argv = ["streamforge", *sys.argv[1:]]
from streamforge.__main__ import main
code = main()
print("modules:", *sorted(sys.modules))
sys.exit(code)
"""
FOREIGN = {"asyncua", "bottle", "digi.xbee", "paho", "psycopg", "pymodbus", "serial"}


def run(root: Path, *words: str) -> tuple[int, set[str], str]:
    """Exit code, imported modules, and the journal of one service that cannot start."""
    environment = os.environ | {
        "STREAMFORGE_ROOT": str(root),
        "STREAMFORGE_RUN": str(root),
        "STATE_DIRECTORY": str(root),
        "CREDENTIALS_DIRECTORY": str(root / "none"),
    }
    for name in ("STREAMFORGE_KAFKA_PASSWORD_FILE", "STREAMFORGE_CONFIG"):
        environment.pop(name, None)
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT, timeout=30)
    modules = done.stdout.partition("modules: ")[2].split()
    return done.returncode, set(modules), done.stdout + done.stderr


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    """The demo's configuration in force; no password, so that every unit ends at once."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/current").symlink_to(ROOT / "rootfs/usr/share/streamforge/sim")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (("adapter", "modbus-tcp", "plant"), set()),
        (("transform", "validator"), set()),
        (("transform", "aggregator"), set()),
        (("sink", "file", "export"), set()),
    ],
)
def test_a_process_imports_its_own_protocol_alone(gateway: Path, words: tuple[str, ...], needs: set[str]) -> None:
    code, modules, said = run(gateway, *words)
    assert code == 78, said
    assert "the Kafka password cannot be read" in said
    assert modules & (FOREIGN - needs) == set()


def test_a_bad_configuration_ends_with_78_and_is_left_for_status_and_page(tmp_path: Path) -> None:
    folder = tmp_path / "config/current/adapters/modbus-tcp"
    folder.mkdir(parents=True)
    (folder / "plant.toml").write_text("[source]\nhsot = 1\n")
    code, _, said = run(tmp_path, "adapter", "modbus-tcp", "plant")
    assert code == 78, said
    faults = json.loads((tmp_path / "streamforge-adapter-modbus-tcp@plant.faults.json").read_text())
    assert {"file": str(folder / "plant.toml"), "line": 2, "key": "source.hsot", "message": "unknown key",
            "hint": 'did you mean "host"?'} in faults  # fmt: skip


def test_an_instance_without_a_file_says_which_is_missing(tmp_path: Path) -> None:
    code, _, said = run(tmp_path, "sink", "file", "export")
    assert code == 78
    assert "sinks/file/export.toml" in said


def test_a_kind_that_is_not_there_is_said_with_the_nearest(tmp_path: Path) -> None:
    code, _, said = run(tmp_path, "adapter", "modbus-tpc", "plant")
    assert code == 78
    assert "modbus-tcp" in said


@pytest.mark.parametrize("done", [1, 2])
def test_reconcile_loads_no_client_where_everything_was_said(tmp_path: Path, done: int) -> None:
    """It runs at every start of the broker, in front of everybody else."""
    log = Incarnations().opening(opened_at_us=7, reason="the power went") if done == 2 else Incarnations()
    (tmp_path / FILE).write_text(log.to_json())
    (tmp_path / STATE_FILE).write_text(json.dumps({"incarnation": done}))
    code, modules, said = run(tmp_path, "reconcile")
    assert (code, "kafka" in modules) == (0, False), said


def test_reconcile_fails_where_something_is_to_be_said_and_cannot_be(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(Incarnations().opening(opened_at_us=7, reason="the power went").to_json())
    code, _, said = run(tmp_path, "reconcile")
    assert code == 78, said
    assert "the Kafka password cannot be read" in said
