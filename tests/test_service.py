"""The one life cycle, in a process of its own, watched through NOTIFY_SOCKET as systemd does."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from streamforge.health import ask

REPOSITORY = Path(__file__).parent.parent
COMPONENT = """
import sys, threading, time
from pathlib import Path
from streamforge import service
from streamforge.errors import ConfigError, Fatal, Fault
from streamforge.health import Answer, Health, State
from streamforge.metrics import Metrics

class Work:
    def __init__(self):
        self.metrics = Metrics()
        self.steps = 0
    def open(self):
        print("open", flush=True)
        {open}
    def step(self, stop):
        {step}
        self.steps += 1
        stop.wait(0.05)
    def drain(self, deadline): print("drain", deadline > time.monotonic(), flush=True)
    def close(self): print("close", flush=True)
    def status(self): return f"at work"
    def health(self): return Health(state=State.HEALTHY, status="at work")
    {more}

def make():
    {make}
    return Work()

sys.exit(service.run(make, "unit", Path(sys.argv[1])))
"""


class Process:
    """A component under service.run, and what it told the service manager."""

    def __init__(
        self, directory: Path, *, step: str = "pass", make: str = "pass", open_: str = "pass", more: str = ""
    ) -> None:
        self.directory = directory
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(directory / "notify"))
        self._socket.settimeout(20)
        script = directory / "component.py"
        script.write_text(COMPONENT.format(step=step, make=make, open=open_, more=more))
        self.process = subprocess.Popen(
            [sys.executable, script, directory],
            env={**os.environ, "NOTIFY_SOCKET": str(directory / "notify"), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, word: str) -> None:
        """Wait until a message begins with this word."""
        while not self._socket.recv(4096).decode().startswith(word):
            pass

    def listen_again(self, seconds: float) -> None:
        """Forget what was said so far; from now on wait this long for a word."""
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while self._socket.recv(4096):
                pass
        self._socket.settimeout(seconds)

    def end(self) -> tuple[int, str, str]:
        """Exit code, output and journal of the ended process."""
        out, err = self.process.communicate(timeout=20)
        self._socket.close()
        return self.process.returncode, out, err


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sf-") as name:
        yield Path(name)


def test_open_ready_step_watchdog_stop_drain_close(directory: Path) -> None:
    unit = Process(directory)
    unit.wait_for("READY=1")
    unit.wait_for("WATCHDOG=1")
    unit.wait_for("STATUS=at work")
    began = time.monotonic()
    unit.process.send_signal(signal.SIGTERM)
    unit.wait_for("STOPPING=1")
    assert unit.end()[:2] == (0, "open\ndrain True\nclose\n")
    assert time.monotonic() - began < 5


def test_a_stop_while_it_opens_ends_it_at_once_and_closes(directory: Path) -> None:
    unit = Process(directory, open_='service.Notifier().status("opening"); time.sleep(60)')
    unit.wait_for("STATUS=opening")
    unit.process.send_signal(signal.SIGTERM)
    assert unit.end() == (0, "open\nclose\n", "")


def test_bad_configuration_is_exit_78_with_every_fault_left_to_be_shown(directory: Path) -> None:
    fault = 'raise ConfigError([Fault(file="plant.toml", line=3, key="hots", message="unknown key", hint="host")])'
    code, out, err = Process(directory, make=fault).end()
    assert (code, out) == (78, "")
    assert '"event": "bad_configuration"' in err
    assert '"line": 3' in (directory / "unit.faults.json").read_text()


def test_a_good_start_forgets_the_faults(directory: Path) -> None:
    (directory / "unit.faults.json").write_text("[]")
    unit = Process(directory)
    unit.wait_for("READY=1")
    assert not (directory / "unit.faults.json").exists()
    unit.process.terminate()
    unit.end()


@pytest.mark.parametrize("step", ['raise Fatal("the disk is gone")', "1 / 0"])
def test_what_only_a_restart_can_mend_is_exit_1_and_one_line(directory: Path, step: str) -> None:
    code, out, err = Process(directory, step=step).end()
    assert code == 1
    assert out == "open\nclose\n"
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("<3>{")


def test_a_step_that_hangs_is_not_covered_by_a_heartbeat_of_its_own(directory: Path) -> None:
    unit = Process(directory, step="self.steps == 3 and time.sleep(60)")
    unit.wait_for("READY=1")
    time.sleep(1.0)
    unit.listen_again(1.0)
    with pytest.raises(TimeoutError):
        unit.wait_for("WATCHDOG=1")
    unit.process.kill()
    unit.end()


def test_a_component_may_answer_more_on_its_socket(directory: Path) -> None:
    unit = Process(directory, more='def routes(self): return {"/more": lambda query: Answer(code=200, body=query)}')
    unit.wait_for("READY=1")
    assert ask(directory / "unit.sock", "/more?a=1") == b'{"a": "1"}'
    unit.process.terminate()
    unit.end()


def test_signals_never_meet_a_lock_that_their_own_thread_holds(directory: Path) -> None:
    unit = Process(directory, step="[stop.wait(0.0001) for _ in range(500)]")
    unit.wait_for("READY=1")
    unit.listen_again(0.5)
    for _ in range(600):
        unit.process.send_signal(signal.SIGHUP)
        time.sleep(0.002)
        unit.listen_again(20)
    unit.process.send_signal(signal.SIGTERM)
    assert unit.end()[0] == 0


def test_sighup_exchanges_the_component(directory: Path) -> None:
    unit = Process(directory)
    unit.wait_for("WATCHDOG=1")
    unit.process.send_signal(signal.SIGHUP)
    unit.wait_for("RELOADING=1")
    unit.wait_for("READY=1")
    unit.process.terminate()
    assert unit.end()[:2] == (0, "open\ndrain True\nclose\nopen\ndrain True\nclose\n")
