"""`streamforge reconcile` outlasts a broker that is slow, and what it cannot say it says later."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.gateway.reconciled import load
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.incarnations import FILE, Incarnations
from streamforge.model import Event
from tests.chain import checker
from tests.faults.barrier import barrier

# Longer than the client waits for an answer, and than the controller for a broker.
SILENT_SECONDS = 6.0
PATIENCE = "import sys, streamforge.cli.reconcile as unit; unit.PATIENCE_SECONDS = {}; sys.exit(unit.run([]))"


def environment(broker: ThrowAwayBroker, gateway: Path) -> dict[str, str]:
    """Of a unit in `gateway`, which is root, runtime and state directory."""
    places = dict.fromkeys(("STREAMFORGE_ROOT", "STREAMFORGE_RUN", "STATE_DIRECTORY"), str(gateway))
    return os.environ | broker.environment("reconcile") | places


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Path]:
    """A directory beside whose units `streamforge-syncd` runs: what is said waits for the disk."""
    with barrier(tmp_path, tmp_path):
        yield tmp_path


def reconcile(broker: ThrowAwayBroker, gateway: Path, patience_seconds: float) -> int:
    """The exit code of the unit."""
    command = [sys.executable, "-c", PATIENCE.format(patience_seconds)]
    return subprocess.run(command, env=environment(broker, gateway), check=False, timeout=100).returncode


def said(broker: ThrowAwayBroker, reason: str) -> int:
    """How many events name this reason: the broker is that of the whole session."""
    found = checker.records(broker.connection("admin"), "events.clean")
    return sum(isinstance(one, Event) and one.details.get("reason") == reason for one in found)


@pytest.mark.broker
@pytest.mark.timeout(150)
def test_a_broker_that_does_not_answer_for_a_while_is_asked_again(broker: ThrowAwayBroker, gateway: Path) -> None:
    reason = str(gateway)
    (gateway / FILE).write_text(Incarnations().opening(opened_at_us=7, reason=reason).to_json())
    os.kill(broker.pid, signal.SIGSTOP)
    waker = threading.Timer(SILENT_SECONDS, os.kill, (broker.pid, signal.SIGCONT))
    waker.start()
    try:
        assert reconcile(broker, gateway, patience_seconds=60.0) == 0
    finally:
        waker.join()
    assert load(gateway).incarnation == 2
    assert said(broker, reason) == 1


@pytest.mark.broker
@pytest.mark.timeout(150)
def test_what_could_not_be_said_stays_to_be_said(broker: ThrowAwayBroker, gateway: Path) -> None:
    reason = str(gateway)
    (gateway / FILE).write_text(Incarnations().opening(opened_at_us=7, reason=reason).to_json())
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        assert reconcile(broker, gateway, patience_seconds=0.0) == 1
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert load(gateway).incarnation == 1
    assert reconcile(broker, gateway, patience_seconds=60.0) == 0
    assert said(broker, reason) == 1
