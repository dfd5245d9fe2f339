"""`./build-image.sh demo` as a person uses it: on a terminal, with Ctrl-C at the end."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance import demo
from tests.appliance.container import CGROUPS, REPOSITORY, Container

pytestmark = pytest.mark.timeout(180)
DEMO = (sys.executable, "-B", "-m", "tests.appliance.demo")
FIGURES = [
    "read", "delivered", "waiting", "rejected", "evicted", "adapters", "balanced", "units_failed",
    "unexpected_journal_lines", "boot_to_first_reading_s", "kafka_rss_mb", "appliance_rss_mb",
]  # fmt: skip
FOLDER = re.compile("--bind=(/var/tmp/streamforge-[^/]+)/var:/var")


class Terminal:
    """The demo on a pseudo-terminal, and what it has written there."""

    def __init__(self) -> None:
        self._end, inner = pty.openpty()
        os.set_blocking(self._end, False)
        self._text = b""
        command = ["setsid", "--ctty", *DEMO]  # replaces itself with the demo, which gets the terminal's Ctrl-C
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdin=inner, stdout=inner, stderr=inner)
        os.close(inner)

    def wait_for(self, text: str, times: int, seconds: float = 90) -> str:
        """What stands on the terminal, once `text` is there so many times."""
        deadline = time.monotonic() + seconds
        while (shown := self.text()).count(text) < times:
            assert time.monotonic() < deadline, shown[-3000:]
            time.sleep(0.1)
        return shown

    def press_ctrl_c(self) -> None:
        os.write(self._end, b"\x03")

    def text(self) -> str:
        try:
            while more := os.read(self._end, 65536):
                self._text += more
        except OSError:  # nothing more now, or nobody there any more
            pass
        return self._text.decode(errors="replace")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._end)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def traces(name: str) -> set[str]:
    """What a container of that name has on this host: processes, interface, mounts, cgroups."""
    lines = [path.read_bytes().replace(b"\0", b" ").decode(errors="replace") for path in command_lines()]
    found = {line for line in lines if f"--machine {name}" in line}
    found |= {line for line in Path("/proc/self/mounts").read_text().splitlines() if name in line}
    places = [Path(f"/sys/class/net/ve-{name}"), *(group / name for group in CGROUPS)]
    return found | {str(place) for place in places if place.exists()}


def command_lines() -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]


@pytest.mark.appliance
def test_the_screen_refreshes_and_ctrl_c_leaves_nothing(terminal: Terminal) -> None:
    screen = terminal.wait_for(demo.CLEAR_SCREEN, times=3)
    assert "first password " in screen
    assert "readings/s" in screen
    name = f"sf{terminal.process.pid}"
    folder = Path(next(found[1] for line in traces(name) if (found := FOLDER.search(line))))
    assert folder.is_dir()
    terminal.press_ctrl_c()
    assert terminal.process.wait(60) == 0, terminal.text()[-3000:]
    assert traces(name) == set()
    assert not folder.exists()
    assert not demo.RUNNING.exists()


@pytest.mark.appliance
def test_a_shell_opens_in_the_running_demo(terminal: Terminal) -> None:
    terminal.wait_for(demo.CLEAR_SCREEN, times=1)
    command = [str(REPOSITORY / "build-image.sh"), "shell"]
    typed = "uname -n; id -un; streamforge status --seconds 0; exit\n"
    shell = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, check=False)
    assert shell.stdout.splitlines()[0].startswith("streamforge-")
    assert shell.stdout.splitlines()[1] == "root"
    assert "kafka" in shell.stdout


@pytest.mark.appliance
def test_check_ends_with_the_figures_as_one_json_object() -> None:
    command = [*DEMO, "--check", "--minutes", "0.1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=150, check=False)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(figures) == FIGURES
    assert figures["balanced"] is True
    assert figures["read"] > 0
    assert figures["adapters"] == 6


@pytest.mark.appliance
def test_a_device_that_is_away_fails_the_check() -> None:
    with Container() as container:
        demo.wait_for_flow(container)
        assert demo.lasting_complaints(container) == {}
        container.run("systemctl", "stop", "streamforge-sim")
        _, faults = demo.judge(container, 1.0)
        assert any("streamforge-adapter-modbus-tcp@plant" in fault for fault in faults)


def test_a_host_that_cannot_show_it_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "sysconf", lambda name: 1024)
    monkeypatch.setattr(demo, "IMAGE", tmp_path / "container")
    before_build = demo.missing_on_host(before_build=True)
    assert before_build == [
        "the program systemd-nspawn", "the program nsenter", "the program ip", "the program setpriv",
        "1500 MiB of memory (it has 1)", "root",
    ]  # fmt: skip
    assert demo.missing_on_host() == [*before_build, "the image (./build-image.sh)"]
