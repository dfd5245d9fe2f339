"""The unit that keeps readings safe from power cuts: what it says, counts, answers and never loads."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from streamforge import barrier
from streamforge.errors import Fatal, NotConnected
from streamforge.gateway import syncd
from streamforge.gateway.medium import FEW, MANY, RECENT, SLOW_SECONDS
from streamforge.gateway.syncd import Syncd
from streamforge.gateway.syncfs import FileSystem
from streamforge.health import Answer, State, ask
from tests.contracts.test_units import METRICS

PATIENCE_SECONDS = 20.0
NEVER = threading.Event()


class Staged(FileSystem):
    """A real directory on a disk that can be made to refuse or to hang."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.error: OSError | None = None
        self.answers = threading.Event()
        self.answers.set()

    def sync(self) -> None:
        """As told."""
        self.answers.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error
        super().sync()


class Staging:
    """The component on a staged disk."""

    def __init__(self, root: Path) -> None:
        self.unit = Syncd(root, self._open)
        self.unit.open()

    def _open(self, directory: Path) -> FileSystem:
        self.disk = Staged(directory)
        return self.disk

    def until(self, is_so: Callable[[], bool]) -> None:
        """Step until something has happened."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.unit.health()
            self.unit.step(NEVER)

    def barrier(self, **query: str) -> Answer:
        """What /barrier answers."""
        return self.unit.routes()["/barrier"](query)

    def metric(self, name: str) -> float:
        """One value of the unit's metrics."""
        lines = self.unit.metrics.text().decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"streamforge_{name} ")).rpartition(" ")[2])


@pytest.fixture
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Staging]:
    caplog.set_level("INFO", "streamforge")
    monkeypatch.setattr(syncd, "STEP_SECONDS", 0.05)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "kafka/data/telemetry.raw-0").mkdir(parents=True)
    (tmp_path / "kafka/data/telemetry.raw-0/00000000000000000000.log").touch()
    staging = Staging(tmp_path)
    yield staging
    staging.disk.answers.set()
    staging.unit.drain(time.monotonic() + PATIENCE_SECONDS)
    staging.unit.close()


def test_all_is_well_and_the_status_stands_still(staging: Staging) -> None:
    staging.until(lambda: staging.metric('syncs_total{result="done"}') == 1)
    health = staging.unit.health()
    assert (health.state, health.status) == (State.HEALTHY, "syncs every 500 ms what was written")
    assert health.details["kind"] == "syncd"
    assert json.dumps(health.details, allow_nan=False)
    staging.until(lambda: staging.metric("connected") == 1)


def test_syncs_are_counted_by_how_they_ended_and_their_time_is_a_histogram(staging: Staging) -> None:
    staging.until(lambda: staging.metric('syncs_total{result="skipped"}') >= 2)
    assert staging.metric("sync_seconds_count") == 1
    assert staging.metric('syncs_total{result="failed"}') == 0
    assert 0 < staging.metric("barrier_age_seconds") < PATIENCE_SECONDS


def test_it_has_the_metrics_of_every_unit(staging: Staging) -> None:
    text = staging.unit.metrics.text().decode()
    assert [name for name in METRICS if name not in text] == []


def test_a_disk_that_hangs_is_said_with_its_seconds_once_in_the_journal_and_the_steps_go_on(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(syncd, "HANG_SECONDS", 0.3)
    monkeypatch.setattr(syncd, "BARRIER_SECONDS", 2.0)
    staging.disk.answers.clear()
    hung = staging.barrier(since=str(time.monotonic_ns()))
    assert hung.code == 503
    assert "the disk has not answered for" in hung.body["error"]
    staging.until(lambda: staging.unit.health().state is State.UNHEALTHY)
    staging.until(lambda: staging.metric("connected") == 0)
    for _ in range(5):
        staging.unit.step(NEVER)
    assert staging.unit.status().startswith("the disk has not answered for ")
    staging.disk.answers.set()
    staging.until(lambda: staging.metric("connected") == 1)
    assert staging.unit.health().state is State.HEALTHY
    assert [record.getMessage() for record in caplog.records] == ["disk_silent", "disk_answers_again"]


def test_a_disk_that_refused_is_unhealthy_and_said_once(staging: Staging, caplog: pytest.LogCaptureFixture) -> None:
    staging.disk.error = OSError(errno.EIO, os.strerror(errno.EIO))
    assert staging.barrier(since=str(time.monotonic_ns())).code == 503
    staging.until(lambda: staging.metric('syncs_total{result="failed"}') >= 2)
    staging.disk.error = None
    done = staging.metric('syncs_total{result="done"}')
    staging.until(lambda: staging.metric('syncs_total{result="done"}') > done)
    assert staging.unit.health().state is State.UNHEALTHY
    assert staging.unit.status() == "the disk refused to write: Input/output error; reboot, and replace the disk"
    assert staging.barrier(since=str(time.monotonic_ns())).body == {
        "error": "the disk refused to write: Input/output error"
    }
    assert staging.metric('errors_total{stage="sync",type="OSError"}') >= 2
    assert [record.getMessage() for record in caplog.records] == ["disk_refused"]


def test_a_unit_that_is_started_anew_knows_that_the_disk_refused_as_long_as_the_kernel_runs(
    staging: Staging, tmp_path: Path
) -> None:
    staging.disk.error = OSError(errno.EIO, os.strerror(errno.EIO))
    assert staging.barrier(since=str(time.monotonic_ns())).code == 503
    anew = Syncd(tmp_path)
    anew.open()
    try:
        assert anew.routes()["/barrier"]({"since": str(time.monotonic_ns())}).code == 503
        assert anew.status() == "the disk refused to write: Input/output error; reboot, and replace the disk"
        assert anew.health().state is State.UNHEALTHY
    finally:
        anew.drain(time.monotonic() + PATIENCE_SECONDS)
        anew.close()


def test_a_slow_disk_is_degraded_and_one_line_and_so_is_its_recovery(
    staging: Staging, caplog: pytest.LogCaptureFixture
) -> None:
    staging.until(lambda: staging.metric('syncs_total{result="done"}') == 1)
    for _ in range(MANY * 2):
        staging.unit._on_done(SLOW_SECONDS * 2)
    assert staging.unit.health().state is State.DEGRADED
    assert staging.unit.status().startswith("the disk is slow: ")
    for _ in range(RECENT - FEW):
        staging.unit._on_done(0.01)
    assert staging.unit.health().state is State.HEALTHY
    assert [record.getMessage() for record in caplog.records] == ["disk_slow", "disk_fast_again"]


def test_the_barrier_names_a_sync_that_began_since(staging: Staging) -> None:
    since_ns = time.monotonic_ns()
    answer = staging.barrier(since=str(since_ns))
    assert answer.code == 200
    assert since_ns <= answer.body["barrier_ns"] <= time.monotonic_ns()


@pytest.mark.parametrize("query", [{}, {"since": ""}, {"since": "-1"}, {"since": "soon"}, {"since": "9" * 20}])
def test_a_moment_that_is_none_of_the_monotonic_clock_is_refused_at_once(
    staging: Staging, query: Mapping[str, str]
) -> None:
    assert staging.barrier(**query).code == 400


def test_a_directory_that_is_not_there_is_for_systemd_to_try_again(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="none cannot be opened: No such file"):
        Syncd(tmp_path / "none").open()


def test_it_may_be_closed_at_any_time_and_twice(tmp_path: Path) -> None:
    unit = Syncd(tmp_path)
    unit.close()
    unit.open()
    unit.close()
    unit.close()


def test_as_a_process_it_answers_on_its_socket_ends_with_0_and_needs_no_broker(tmp_path: Path) -> None:
    environment = os.environ | {"STREAMFORGE_ROOT": str(tmp_path), "STREAMFORGE_RUN": str(tmp_path)}
    command = [sys.executable, "-m", "streamforge", "syncd"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        socket = tmp_path / f"{barrier.UNIT}.sock"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        barrier.wait(time.monotonic_ns(), PATIENCE_SECONDS, tmp_path)
        with pytest.raises(NotConnected, match="CLOCK_MONOTONIC"):
            barrier.wait(time.time_ns() * 10, PATIENCE_SECONDS, tmp_path)
        assert json.loads(ask(socket))["unit"] == barrier.UNIT
        assert json.loads(ask(socket, "/" + urllib.parse.quote("barriers"))) == {"error": "no such path"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        said = process.communicate()[1]
    assert said == ""


def test_it_loads_no_kafka_client_and_nothing_of_the_codec() -> None:
    code = "import sys, streamforge.gateway.syncd; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(loaded.stdout.split()) & {"kafka", "fastavro", "orjson", "asyncio", "bottle", "psutil"} == set()
