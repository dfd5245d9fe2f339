"""kafka.service as systemd runs it, doctor and supervisor, with a log that no small file will mend."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from streamforge.gateway.doctor import aside, starts
from streamforge.gateway.doctor.copies import load
from tests.gateway.test_kafka_supervisor import Unit, is_ready

pytestmark = pytest.mark.broker


class DoctoredUnit(Unit):
    """Runs the doctor before each start, as ExecStartPre= does."""

    def doctor(self) -> str:
        command = [sys.executable, "-m", "streamforge", "doctor"]
        root = self.data.parent.parent
        (root / "run").mkdir(exist_ok=True)
        environment = os.environ | {"STREAMFORGE_ROOT": str(root), "STREAMFORGE_RUN": str(root / "run")}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr

    def run_until_it_ends(self) -> str:
        """Its messages to systemd are taken meanwhile: the queue of such a socket is short, and a sender waits."""
        self.start()
        while self.process.poll() is None:
            with suppress(TimeoutError):
                self._socket.recv(4096)
        return self.end()


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[DoctoredUnit]:
    unit = DoctoredUnit(tmp_path)
    unit.data.parent.mkdir()
    unit.doctor()
    unit.start()
    unit.wait_for(is_ready)
    yield unit
    unit.close()


def stop(unit: Unit) -> None:
    unit.process.terminate()
    unit.end()
    assert unit.process.returncode == 0


def test_after_three_starts_that_failed_a_fresh_log_serves_and_the_old_one_is_kept(unit: DoctoredUnit) -> None:
    kafka = unit.data.parent
    assert {"meta.properties", "bootstrap.checkpoint"} < load(kafka).keys()
    stop(unit)
    # No name of a segment: Kafka ends with a NumberFormatException, at every start.
    (unit.data / "__cluster_metadata-0" / "broken.log").touch()
    for number in (1, 2, 3):
        assert "<2>" not in unit.doctor()
        journal = unit.run_until_it_ends()
        assert f'"event": "start_failed", "in_a_row": {number}' in journal
        assert unit.process.returncode == 1
    assert "moved to aside/1 and kept" in unit.doctor()
    unit.start()
    unit.wait_for(is_ready)
    unit.wait_for(lambda messages: any("logs set aside, not read: 1 (" in message for message in messages))
    (log,) = aside.listed(kafka)
    assert len(log.starts) == 3
    assert (kafka / "aside/1/data/streamforge.canary-0").is_dir()
    assert starts.load(kafka) == starts.FailedStarts()
    stop(unit)


def test_what_is_not_the_logs_fault_does_not_count(unit: DoctoredUnit) -> None:
    kafka = unit.data.parent
    unit.jvm.kill()
    unit.end()
    unit.start()
    unit.wait_for(lambda messages: "STATUS=starting: the broker reads its log" in messages)
    unit.jvm.kill()
    assert "the JVM ended with -9" in unit.end()
    assert starts.load(kafka) == starts.FailedStarts()

    refused = starts.FailedStarts(refused="no room")
    starts.save(kafka, refused)
    assert "no room" in unit.run_until_it_ends()
    assert unit.process.returncode == 78
    unit.doctor()
    unit.start()
    unit.wait_for(is_ready)
    stop(unit)


def test_a_port_that_is_taken_does_not_count(unit: DoctoredUnit) -> None:
    stop(unit)
    unit.broker.prepare()
    unit.start()
    unit.wait_for(is_ready)
    second = subprocess.Popen(unit.process.args, env=_environment(unit), stderr=subprocess.PIPE, text=True)
    assert "fatal" in second.communicate(timeout=60)[1]
    assert starts.load(unit.data.parent) == starts.FailedStarts()
    stop(unit)


def _environment(unit: DoctoredUnit) -> dict[str, str]:
    """Of the running process, without its socket to systemd."""
    lines = Path(f"/proc/{unit.process.pid}/environ").read_text().split("\0")
    known = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: value for name, value in known.items() if name != "NOTIFY_SOCKET"}
