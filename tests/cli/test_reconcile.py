"""`streamforge reconcile` outlasts a broker that is slow, and what it cannot say it says later."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streamforge.gateway.reconciled import load
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.incarnations import FILE, Incarnations
from streamforge.model import Event
from tests.chain import checker

# Longer than the client waits for an answer, and than the controller for a broker.
SILENT_SECONDS = 6.0
PATIENCE = "import sys, streamforge.cli.reconcile as unit; unit.PATIENCE_SECONDS = {}; sys.exit(unit.run([]))"


def reconcile(broker: ThrowAwayBroker, gateway: Path, patience_seconds: float) -> int:
    """The exit code of the unit in `gateway`, which is root, runtime and state directory."""
    environment = os.environ | broker.environment("reconcile")
    environment |= dict.fromkeys(("STREAMFORGE_ROOT", "STREAMFORGE_RUN", "STATE_DIRECTORY"), str(gateway))
    command = [sys.executable, "-c", PATIENCE.format(patience_seconds)]
    return subprocess.run(command, env=environment, check=False, timeout=100).returncode


def said(broker: ThrowAwayBroker, reason: str) -> int:
    """How many events name this reason: the broker is that of the whole session."""
    found = checker.records(broker.connection("admin"), "events.clean")
    return sum(isinstance(one, Event) and one.details.get("reason") == reason for one in found)


@pytest.mark.broker
@pytest.mark.timeout(150)
def test_a_broker_that_does_not_answer_for_a_while_is_asked_again(broker: ThrowAwayBroker, tmp_path: Path) -> None:
    reason = str(tmp_path)
    (tmp_path / FILE).write_text(Incarnations().opening(opened_at_us=7, reason=reason).to_json())
    os.kill(broker.pid, signal.SIGSTOP)
    waker = threading.Timer(SILENT_SECONDS, os.kill, (broker.pid, signal.SIGCONT))
    waker.start()
    try:
        assert reconcile(broker, tmp_path, patience_seconds=60.0) == 0
    finally:
        waker.join()
    assert load(tmp_path).incarnation == 2
    assert said(broker, reason) == 1


@pytest.mark.broker
@pytest.mark.timeout(150)
def test_what_could_not_be_said_stays_to_be_said(broker: ThrowAwayBroker, tmp_path: Path) -> None:
    reason = str(tmp_path)
    (tmp_path / FILE).write_text(Incarnations().opening(opened_at_us=7, reason=reason).to_json())
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        assert reconcile(broker, tmp_path, patience_seconds=0.0) == 1
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert load(tmp_path).incarnation == 1
    assert reconcile(broker, tmp_path, patience_seconds=60.0) == 0
    assert said(broker, reason) == 1
