"""kafka.service without systemd: doctor, then supervisor, and again as the unit says, until it may not any more."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.gateway.process import die_with_parent
from tests.broker import REPOSITORY
from tests.faults.rig import Rig

UNIT = REPOSITORY / "units" / "kafka.service"
STOP_SECONDS = 60.0


def setting(name: str) -> int:
    """A number of the shipped unit."""
    found = re.search(rf"^{name}=(\d+)$", UNIT.read_text(), re.MULTILINE)
    if found is None:
        msg = f"{UNIT.name} has no {name}="
        raise LookupError(msg)
    return int(found[1])


class KafkaService:
    """The unit on a rig's disk: `starts` and `said` (its status lines, each once in a row) tell what it went through.

    `state` is systemd's word: `active`, `activating`, `inactive` or `failed`.
    """

    def __init__(self, site: Rig, run: Path) -> None:
        self.starts: list[float] = []
        self.said: list[str] = []
        self.state = "inactive"
        self._environment = _environment(site, run)
        self._ordered = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._environment["NOTIFY_SOCKET"])
        self._socket.settimeout(0.1)
        self._thread = threading.Thread(target=self._run, name="kafka.service")

    def start(self) -> None:
        """`systemctl start`; does not wait."""
        self._thread.start()

    def wait_until(self, state: str, seconds: float) -> None:
        """TimeoutError where it does not come to that state in time."""
        deadline = time.monotonic() + seconds
        while self.state != state:
            if time.monotonic() > deadline:
                msg = f"kafka.service is {self.state} after {seconds:.0f} s, not {state}: {self.said}"
                raise TimeoutError(msg)
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9 of its main process, which takes the JVM along; systemd starts it anew."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """`systemctl stop`."""
        self._ordered.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        burst, interval = setting("StartLimitBurst"), setting("StartLimitIntervalSec")
        while not self._ordered.is_set():
            now = time.monotonic()
            if sum(now - at < interval for at in self.starts) >= burst:
                self.state = "failed"
                return
            self.starts.append(now)
            self.state = "activating"
            code = self._live()
            if code in (0, setting("RestartPreventExitStatus")):
                self.state = "failed" if code else "inactive"
                return
            self.state = "activating"
            time.sleep(setting("RestartSec"))

    def _live(self) -> int:
        """One life, ended by the watchdog where it does not answer; how it ended."""
        module = [sys.executable, "-m", "streamforge"]
        subprocess.run([*module, "doctor"], env=self._environment, check=False)
        self._process = subprocess.Popen(
            [*module, "kafka"],
            env=self._environment,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
        )
        beaten, watchdog = time.monotonic(), setting("WatchdogSec")
        while self._process.poll() is None:
            if self._heard():
                beaten = time.monotonic()
            if self.state == "active" and time.monotonic() - beaten > watchdog:
                self._process.send_signal(signal.SIGABRT)
        return self._process.returncode

    def _heard(self) -> bool:
        """Take one message; whether it was a beat."""
        try:
            lines = self._socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return False
        for line in lines:
            name, _, value = line.partition("=")
            if name == "READY":
                self.state = "active"
            elif name == "STATUS" and self.said[-1:] != [value]:
                self.said.append(value)
        return any(line.startswith(("READY=", "WATCHDOG=")) for line in lines)


def _environment(site: Rig, run: Path) -> dict[str, str]:
    broker = site.broker.broker
    (run / "work").mkdir()
    (site.broker.credentials / "kafka-password").write_text(site.broker.passwords["kafka"])
    return os.environ | {
        "NOTIFY_SOCKET": str(run / "notify"),
        "CREDENTIALS_DIRECTORY": str(site.broker.credentials),
        "RUNTIME_DIRECTORY": str(run / "work"),
        "STREAMFORGE_ROOT": str(site.disk.point),
        "STREAMFORGE_RUN": str(run),
        "STREAMFORGE_BOOTSTRAP": broker.bootstrap,
        "STREAMFORGE_CONTROLLER_PORT": str(broker.controller_port),
        "STREAMFORGE_KAFKA_ARCHIVE": str(broker.archive),
    }


@contextmanager
def kafka_service(site: Rig) -> Iterator[KafkaService]:
    """The unit on what the rig's disk holds, started; stopped at the end."""
    with TemporaryDirectory(prefix="sf-") as run:  # a Unix socket's path is short (unix(7))
        service = KafkaService(site, Path(run))
        service.start()
        try:
            yield service
        finally:
            service.stop()
