"""The slow disk itself: it holds up what syncs, nothing else, and one at a time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.slow_syncs import SlowSyncs, slow_syncs

SYNC = "import os, sys; file = open(sys.argv[1], 'w'); file.write('reading'); file.flush(); os.{}(file.fileno())"
DELAY_SECONDS = 0.3


def took(disk: SlowSyncs, *commands: list[str]) -> float:
    """How long it takes to run these programs at the same time."""
    began = time.monotonic()
    for process in disk.run(lambda: [subprocess.Popen(command) for command in commands]):
        assert process.wait() == 0
    return time.monotonic() - began


def program(text: str, file: Path) -> list[str]:
    return [sys.executable, "-c", text, str(file)]


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_sync_takes_as_long_as_the_disk(tmp_path: Path, call: str) -> None:
    with slow_syncs() as disk:
        disk.delay_seconds = DELAY_SECONDS
        assert took(disk, program(SYNC.format(call), tmp_path / "file")) >= DELAY_SECONDS
        assert disk.held_up == 1
    assert (tmp_path / "file").read_text() == "reading"


def test_two_processes_wait_for_one_disk(tmp_path: Path) -> None:
    with slow_syncs() as disk:
        disk.delay_seconds = DELAY_SECONDS
        commands = [program(SYNC.format("fsync"), tmp_path / name) for name in ("one", "two", "three")]
        assert took(disk, *commands) >= 3 * DELAY_SECONDS
        assert disk.held_up == 3


def test_neither_a_write_nor_a_process_outside_waits(tmp_path: Path) -> None:
    with slow_syncs() as disk:
        disk.delay_seconds = 60.0
        took(disk, program("import sys; open(sys.argv[1], 'w').write('reading')", tmp_path / "file"))
        with (tmp_path / "outside").open("w") as file:
            os.fsync(file.fileno())
        assert disk.held_up == 0
