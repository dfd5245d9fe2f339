"""A real broker of one's own for a test or a bench: own ports, own directory, users, topics and rights as shipped."""

import hashlib
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from streamforge.bus.admin import Admin
from streamforge.bus.canary import Canary
from streamforge.bus.connection import Connection
from streamforge.errors import Fatal
from streamforge.gateway.broker import LIBS, Broker
from streamforge.gateway.broker_format import format_storage
from streamforge.gateway.principals import PRINCIPALS
from streamforge.gateway.process import die_with_parent
from streamforge.gateway.topic_setup import set_up

START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
# Enough for any bench on a developer's disk, small enough for a tmpfs.
BUDGET_BYTES = 4 * 1024**3


def libs() -> Path:
    """Where the broker's jars are: STREAMFORGE_KAFKA_LIBS, else the appliance's."""
    return Path(os.environ.get("STREAMFORGE_KAFKA_LIBS", LIBS))


def free_port() -> int:
    """A TCP port that was free on the loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ThrowAwayBroker:
    """One broker in `directory`; `start`, `kill` and `start` again as often as wanted; a context manager.

    With `set_up_topics` the first start makes the shipped topics and rights. `archive` is the class archive to use.
    """

    def __init__(
        self, directory: Path, *, archive: Path | None = None, partitions: int = 1, set_up_topics: bool = True
    ) -> None:
        self.credentials = directory / "credentials"
        self.broker = Broker(
            data=directory / "data",
            credentials=self.credentials,
            work=directory / "work",
            libs=libs(),
            archive=archive or libs().parent / "kafka.jsa",
            password_name="kafka-kafka",  # noqa: S106 - the name of a file
            client_port=free_port(),
            controller_port=free_port(),
        )
        self.log = directory / "broker.log"
        self.passwords = {principal.name: secrets.token_hex(18) for principal in PRINCIPALS}
        self.process: subprocess.Popen[bytes] | None = None
        self._partitions = partitions
        self._is_set_up = not set_up_topics

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connection(self, principal: str) -> Connection:
        """How a client of that principal connects. There is no barrier beside it but one that the caller starts."""
        return Connection(
            bootstrap=self.broker.bootstrap,
            username=principal,
            password=self.passwords[principal],
            client_id=f"{principal}-{os.getpid()}",
            barrier_directory=None,
        )

    @property
    def pid(self) -> int:
        """Process id of the running JVM."""
        return self._running().pid

    def environment(self, principal: str) -> dict[str, str]:
        """The STREAMFORGE_* variables with which a process of that principal reaches this broker."""
        return {
            "STREAMFORGE_BOOTSTRAP": self.broker.bootstrap,
            "STREAMFORGE_KAFKA_USER": principal,
            "STREAMFORGE_KAFKA_PASSWORD_FILE": str(self.credentials / f"kafka-{principal}"),
        }

    def prepare(self) -> None:
        """Write the credentials and format the storage, once."""
        self.write_credentials()
        format_storage(self.broker, self.passwords)
        self.broker.write_properties()

    def write_credentials(self) -> None:
        """One file `kafka-<principal>` each, as `streamforge firstboot` makes them."""
        self.credentials.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, password in self.passwords.items():
            (self.credentials / f"kafka-{name}").write_text(password)

    def start(self, *, write_archive: bool = False) -> None:
        """Start it and wait until it serves; Fatal with the end of its log when it does not."""
        self.prepare()
        command = self.broker.command(write_archive=write_archive)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=self.broker.environment(),
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        self._wait_for_port()
        if not self._is_set_up:
            with Admin(self.connection("admin")) as admin:
                set_up(admin, credentials=self.passwords, budget_bytes=BUDGET_BYTES, partitions=self._partitions)
            self._is_set_up = True

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._running().poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.broker.client_port)) == 0:
                    return
            time.sleep(POLL_SECONDS)
        self.kill()
        raise Fatal("the throw-away broker did not start:\n" + self.log.read_text()[-2000:])

    def stop(self) -> None:
        """Let it end in order; it stays on the disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as kill -9 does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise Fatal("the throw-away broker is not running")
        return self.process

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def make_archive(archive: Path, directory: Path) -> None:
    """Write the class archive (AppCDS) of the jars in use: one broker's life in the empty `directory`, some 10 s.

    The archive is valid for this JDK and these jars at these paths with these modification times only.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    draft = archive.with_name(f".{archive.name}.{os.getpid()}")
    broker = ThrowAwayBroker(directory, archive=draft)
    try:
        broker.start(write_archive=True)
        with Canary(broker.connection("kafka")) as canary:
            canary.sing()
    finally:
        broker.stop()
    draft.replace(archive)


def archive_key() -> str:
    """What a class archive depends on, as a short name: the JDK and the jars with their times."""
    jdk = subprocess.run(["java", "-version"], check=True, capture_output=True).stderr
    jars = "".join(f"{jar}{jar.stat().st_mtime_ns}" for jar in sorted(libs().glob("*.jar")))
    return hashlib.sha256(jdk + jars.encode()).hexdigest()[:16]
