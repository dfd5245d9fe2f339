"""kafka.service's main process with a real JVM and a real notification socket."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from streamforge.bus.admin import Admin
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.gateway.topics import TOPICS
from tests.broker import new_broker

pytestmark = pytest.mark.broker

MOST_RESIDENT_BYTES = 42 * 1024 * 1024


class Unit:
    """The supervisor as systemd would run it."""

    def __init__(self, directory: Path) -> None:
        shipped: ThrowAwayBroker = new_broker(directory)
        shipped.write_credentials()
        (shipped.credentials / "kafka-password").write_text(shipped.passwords["kafka"])
        self.data = directory / "kafka" / "data"
        self.broker = shipped
        self._directory = directory
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(directory / "notify"))
        self._socket.settimeout(0.1)
        self.messages: list[str] = []

    def start(self) -> None:
        for name in ("run", "work"):
            (self._directory / name).mkdir(exist_ok=True)
        environment = os.environ | {
            "NOTIFY_SOCKET": str(self._directory / "notify"),
            "CREDENTIALS_DIRECTORY": str(self.broker.credentials),
            "RUNTIME_DIRECTORY": str(self._directory / "work"),
            "STREAMFORGE_ROOT": str(self._directory),
            "STREAMFORGE_RUN": str(self._directory / "run"),
            "STREAMFORGE_BOOTSTRAP": self.broker.broker.bootstrap,
            "STREAMFORGE_CONTROLLER_PORT": str(self.broker.broker.controller_port),
            "STREAMFORGE_KAFKA_ARCHIVE": str(self.broker.broker.archive),
        }
        self.messages.clear()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamforge.gateway.kafka_supervisor"],
            env=environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @property
    def jvm(self) -> psutil.Process:
        children: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return next(child for child in children if child.name() == "java")

    def wait_for(self, is_there: Callable[[list[str]], bool], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not is_there(self.messages):
            assert time.monotonic() < deadline, self.messages
            assert self.process.poll() is None, self.end()
            try:
                self.messages.append(self._socket.recv(4096).decode())
            except TimeoutError:
                continue

    def end(self) -> str:
        """What it said to the journal, once it has ended."""
        return self.process.communicate(timeout=60)[1]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self._socket.close()


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    unit.start()
    yield unit
    unit.close()


def is_ready(messages: list[str]) -> bool:
    return "READY=1" in messages


def test_it_is_ready_only_after_the_canary_and_then_beats_the_watchdog(unit: Unit) -> None:
    unit.wait_for(is_ready)
    on_its_way = unit.messages.index("STATUS=starting: a canary record is on its way")
    assert on_its_way < unit.messages.index("READY=1")
    assert next(unit.data.glob("streamforge.canary-0/*.log")).stat().st_size > 0
    unit.wait_for(lambda messages: messages.count("WATCHDOG=1") >= 2)
    assert f"STATUS=serving on {unit.broker.broker.bootstrap}" in unit.messages
    assert psutil.Process(unit.process.pid).memory_info().rss < MOST_RESIDENT_BYTES

    jvm = unit.jvm
    unit.process.terminate()
    assert "<4>" not in unit.end()
    assert unit.process.returncode == 0
    assert not jvm.is_running()


def test_no_password_is_in_the_journal_nor_on_a_command_line(unit: Unit) -> None:
    unit.wait_for(is_ready)
    command = " ".join(unit.jvm.cmdline())
    unit.process.terminate()
    journal = unit.end()
    for password in unit.broker.passwords.values():
        assert password not in journal
        assert password not in command


def test_a_killed_jvm_ends_the_unit_with_an_error_and_the_next_start_serves(unit: Unit) -> None:
    unit.wait_for(is_ready)
    unit.jvm.kill()
    assert "the JVM ended with -9" in unit.end()
    assert unit.process.returncode == 1
    unit.start()
    unit.wait_for(is_ready)


def test_a_jvm_that_alone_was_told_to_stop_is_an_error_too(unit: Unit) -> None:
    unit.wait_for(is_ready)
    unit.jvm.terminate()
    assert "the JVM ended with 143" in unit.end()
    assert unit.process.returncode == 1


def test_both_told_to_stop_is_a_stop(unit: Unit) -> None:
    unit.wait_for(is_ready)
    unit.jvm.terminate()
    unit.process.terminate()
    assert "fatal" not in unit.end()
    assert unit.process.returncode == 0


def test_a_stop_before_it_is_ready_ends_it_and_the_jvm(unit: Unit) -> None:
    unit.wait_for(lambda messages: "STATUS=starting: the broker reads its log" in messages)
    jvm = unit.jvm
    unit.process.terminate()
    assert "fatal" not in unit.end()
    assert unit.process.returncode == 0
    assert not jvm.is_running()
    assert not is_ready(unit.messages)


def test_a_killed_supervisor_takes_the_jvm_with_it(unit: Unit) -> None:
    unit.wait_for(is_ready)
    jvm = unit.jvm
    unit.process.kill()
    unit.end()
    jvm.wait(10)


def test_a_stopped_jvm_gets_no_watchdog_beat_and_is_said_once(unit: Unit) -> None:
    unit.wait_for(lambda messages: "WATCHDOG=1" in messages)
    jvm = unit.jvm
    jvm.send_signal(signal.SIGSTOP)
    unit.messages.clear()
    unit.wait_for(lambda messages: any("does not answer" in message for message in messages))
    assert unit.messages.count("WATCHDOG=1") <= 1  # the one on its way when it stopped
    jvm.send_signal(signal.SIGCONT)
    beats = unit.messages.count("WATCHDOG=1")
    unit.wait_for(lambda messages: messages.count("WATCHDOG=1") > beats)
    unit.process.terminate()
    assert unit.end().count("broker_silent") == 1


def test_a_log_that_begins_anew_while_the_gateway_runs_has_its_topics_at_once(tmp_path: Path) -> None:
    """`streamforge-topics` ran at the boot and does not come again when a log beyond repair was moved aside."""
    (tmp_path / "config" / "current").mkdir(parents=True)
    unit = Unit(tmp_path)
    try:
        unit.start()
        unit.wait_for(is_ready)
        with Admin(unit.broker.connection("kafka")) as admin:
            assert {topic.name for topic in TOPICS} <= admin.topics().keys()
    finally:
        unit.close()
