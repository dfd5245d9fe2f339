"""`streamforge kafka`: the main process of kafka.service, around the JVM.

It formats the storage at first boot, starts the broker, is ready when a canary record went in and out, and ends a step
(and so beats the watchdog) only with a probe that the broker answered. Whichever of the two processes ends, the other
does: the JVM by an order or with its parent, this one with an error, so that systemd starts both anew.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from streamforge import service
from streamforge.bus.admin import Admin
from streamforge.bus.canary import Canary
from streamforge.bus.connection import BOOTSTRAP, Connection
from streamforge.errors import Fatal, NotConnected, StreamForgeError
from streamforge.gateway import places
from streamforge.gateway.broker import LIBS, Broker
from streamforge.gateway.broker_format import format_storage, is_formatted
from streamforge.gateway.doctor import metadata_copy, producer_ids
from streamforge.gateway.doctor.keeper import Keeper
from streamforge.gateway.jvm_log import StartLines, prioritised
from streamforge.gateway.principals import passwords
from streamforge.gateway.process import die_with_parent, resident_bytes
from streamforge.gateway.start_room import wait_for_room
from streamforge.health import Health, State
from streamforge.logs import Log
from streamforge.metrics import Metrics
from streamforge.model import Topic
from streamforge.notify import Notifier

UNIT = "kafka"
# Three probes fit into the unit's WatchdogSec=10.
PROBE_SECONDS = 3.0
POLL_SECONDS = 0.25
# After a power cut the broker reads every segment again before it opens its port: some 10 s per 500 MB on an SD card.
RECOVERY_SECONDS = 900.0
EXTENSION_SECONDS = 30.0
# One request each, some 1 ms.
IDS_A_TURN = 5_000
# From the open port to the canary's return: 2 s seen, 14 s on a busy machine after kill -9.
SERVE_SECONDS = 60.0
# Longest orderly stop seen: 5 s. The unit's TimeoutStopSec is longer.
STOP_SECONDS = 30.0
EXIT_BY_SIGTERM = 128 + signal.SIGTERM  # how a JVM ends that was told to
# Who stops the unit may tell both processes, the JVM first: so long the order to this one may take.
ORDER_SECONDS = 1.0
# Until what a JVM that ended had still to say is read.
LAST_WORDS_SECONDS = 1.0

_log = Log("kafka")


class KafkaSupervisor:
    """One broker and its JVM, as a component of `service.run`."""

    def __init__(self, broker: Broker, connection: Connection) -> None:
        self.metrics = Metrics()
        self.metrics.gauge("broker_resident_bytes", "Resident memory of the broker's JVM", self._resident_bytes)
        self.metrics.gauge("broker_probe_seconds", "How long the last probe took", lambda: self._probe_seconds)
        self._broker = broker
        self._connection = connection
        self._notifier = Notifier()
        self._jvm: subprocess.Popen[str] | None = None
        self._canary: Canary | None = None
        self._probe_seconds = 0.0
        self._complaint = ""
        self._keeper = Keeper(broker.data.parent)
        self._said = StartLines()

    def open(self) -> None:
        """Format where it was not done, start the JVM, send the canary through; Fatal where any of it fails."""
        self._keeper.expect_allowed()
        wait_for_room(self._broker.data.parent, self._wait)
        self._complaint = ""
        self._format()
        self._spawn()
        try:
            self._notifier.status("starting: the broker reads its log")
            self._until(self._has_open_port, RECOVERY_SECONDS)
            self._expect_metadata()
            self._until(self._has_fresh_producer_ids, RECOVERY_SECONDS)
            self._notifier.status("starting: a canary record is on its way")
            self._until(self._sings, SERVE_SECONDS)
        except Fatal as error:
            self._blame(error)
            raise
        self._said.end()
        self._keeper.served()
        is_new = self._keeper.lost_topics or not (self._broker.data / f"{Topic.TELEMETRY_RAW}-0").is_dir()
        if places.configuration().exists() and is_new:
            self._make_topics()

    def step(self, stop: threading.Event) -> None:
        """Wait, then probe until the broker answers: a broker that does not is the watchdog's to end."""
        while not self._pause(stop) and not self._probe(stop):
            pass
        self._keeper.look()

    def drain(self, deadline: float) -> None:
        """Nothing is held here."""

    def close(self) -> None:
        """SIGTERM and wait, so that the next start need not recover."""
        if self._canary is not None:
            self._canary.close()
            self._canary = None
        if self._jvm is None:
            return
        self._jvm.terminate()
        try:
            self._jvm.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _log.warning("broker_killed", reason="it did not stop", seconds=STOP_SECONDS)
            self._jvm.kill()
            self._jvm.wait()
        self._jvm = None

    def status(self) -> str:
        """What `systemctl status` shows; constant while all is well, so that nothing is written for it."""
        return self._complaint or f"serving on {self._broker.bootstrap}{self._keeper.note}"

    def health(self) -> Health:
        """HEALTHY while probes are answered."""
        details: dict[str, object] = {
            "probe_ms": round(self._probe_seconds * 1e3, 1),
            "resident_bytes": self._resident_bytes(),
        }
        details |= self._keeper.details
        state = State.UNHEALTHY if self._complaint else State.HEALTHY
        return Health(state=state, status=self.status(), details=details)

    def _has_fresh_producer_ids(self) -> bool:
        """Before anybody writes: no id that is in use is given out again (`doctor/producer_ids.py`)."""
        first = producer_ids.known(self._broker.data.parent)
        if not first:
            return True
        try:
            with Admin(self._connection) as admin:
                return admin.skip_producer_ids(first, IDS_A_TURN) >= first
        except NotConnected as error:
            self._complaint = str(error)
            return False

    def _make_topics(self) -> None:
        """A log or topics that began anew while the gateway runs: `streamforge-topics` does not come again.

        At the very first boot it does, when there is a generation to say how many partitions there shall be.
        """
        from streamforge.gateway.topic_setup import set_up_gateway

        try:
            set_up_gateway(self._connection, self._broker.credentials)
        except StreamForgeError as error:
            _log.error("topics_not_set_up", reason=str(error))

    def _wait(self, complaint: str) -> None:
        self._complaint = complaint
        self._notifier.status(complaint)
        self._notifier.extend_start(EXTENSION_SECONDS)

    def _expect_metadata(self) -> None:
        """Fatal where the broker emptied the log of its metadata: before the next start the doctor brings it back."""
        if metadata_copy.is_lost(self._broker.data.parent):
            raise Fatal("the broker emptied the log of its metadata")

    def _format(self) -> None:
        if not is_formatted(self._broker):
            self._notifier.status("formatting the log (first boot)")
            known = passwords(self._broker.credentials) | {self._connection.username: self._connection.password}
            format_storage(self._broker, known)
            _log.info("broker_formatted", users=sorted(known))
        self._broker.write_properties()

    def _spawn(self) -> None:
        self._jvm = subprocess.Popen(
            self._broker.command(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env=self._broker.environment(),
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
        )  # fmt: skip
        self._reader = threading.Thread(target=_hand_on, args=(self._jvm, self._said), name="jvm-log", daemon=True)
        self._reader.start()

    def _blame(self, error: Fatal) -> None:
        """Count a start whose cause may lie in the log; one that only the canary did not survive is none."""
        code = self._jvm.poll() if self._jvm else None
        if code is None and self._has_open_port():
            return
        self._reader.join(LAST_WORDS_SECONDS)
        self._keeper.failed(code, str(error), self._said)

    def _until(self, is_done: Callable[[], bool], seconds: float) -> None:
        """Ask again and again while the JVM lives, for so long at most."""
        deadline = time.monotonic() + seconds
        no_stop = threading.Event()  # a stop while opening ends it from within the wait
        while not is_done():
            self._expect_alive(no_stop)
            if time.monotonic() > deadline:
                msg = f"the broker does not serve after {seconds:.0f} s: {self._complaint or 'its port is closed'}"
                raise Fatal(msg)
            self._notifier.extend_start(EXTENSION_SECONDS)
            time.sleep(POLL_SECONDS)

    def _expect_alive(self, stop: threading.Event) -> None:
        """Fatal when the JVM ended, unless it was told to together with this process."""
        code = self._jvm.poll() if self._jvm else None
        if code is None or (code == EXIT_BY_SIGTERM and stop.wait(ORDER_SECONDS)):
            return
        msg = f"the JVM ended with {code}"
        raise Fatal(msg)

    def _has_open_port(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._broker.client_port)) == 0

    def _sings(self) -> bool:
        try:
            canary = Canary(self._connection)
        except NotConnected as error:
            self._complaint = str(error)
            return False
        try:
            canary.sing()
        except NotConnected as error:
            self._complaint = str(error)
            canary.close()
            return False
        self._complaint = ""
        self._canary = canary
        return True

    def _pause(self, stop: threading.Event) -> bool:
        """Sleep until the next probe; True when told to stop, Fatal when the JVM ended."""
        deadline = time.monotonic() + PROBE_SECONDS
        while time.monotonic() < deadline:
            if stop.wait(POLL_SECONDS):
                return True
            self._expect_alive(stop)
        return False

    def _probe(self, stop: threading.Event) -> bool:
        """Whether the broker answers; a change for the worse is said once."""
        started = time.monotonic()
        try:
            if self._canary is not None:
                self._canary.look()
        except NotConnected as error:
            self._expect_alive(stop)
            if not self._complaint:
                _log.warning("broker_silent", reason=str(error))
            self._complaint = f"the broker does not answer: {error}"
            self._notifier.status(self._complaint)
            return False
        self._probe_seconds = time.monotonic() - started
        self._complaint = ""
        self.metrics.succeeded()
        return True

    def _resident_bytes(self) -> int:
        return resident_bytes(self._jvm.pid) if self._jvm else 0


def _hand_on(jvm: subprocess.Popen[str], said: StartLines) -> None:
    for line in prioritised(said.taken(jvm.stdout or ())):
        print(line, file=sys.stderr, flush=True)


def broker_from_environment() -> Broker:
    """The appliance's broker: paths by STREAMFORGE_ROOT and the unit's directories, port by STREAMFORGE_BOOTSTRAP."""
    root = Path(os.environ.get("STREAMFORGE_ROOT", "/var/lib/streamforge"))
    libs = Path(os.environ.get("STREAMFORGE_KAFKA_LIBS", LIBS))
    port = os.environ.get("STREAMFORGE_BOOTSTRAP", BOOTSTRAP).rpartition(":")[2]
    return Broker(
        data=root / "kafka" / "data",
        credentials=Path(os.environ["CREDENTIALS_DIRECTORY"]),
        work=Path(os.environ["RUNTIME_DIRECTORY"]),
        libs=libs,
        archive=Path(os.environ.get("STREAMFORGE_KAFKA_ARCHIVE", libs.parent / "kafka.jsa")),
        client_port=int(port),
        controller_port=int(os.environ.get("STREAMFORGE_CONTROLLER_PORT", "9093")),
    )


def main() -> int:
    """Run the appliance's broker until SIGTERM; the exit code for systemd."""
    return service.run(lambda: KafkaSupervisor(broker_from_environment(), Connection.from_environment("kafka")), UNIT)


if __name__ == "__main__":
    sys.exit(main())
