"""The controller as a process: what it loads, says and counts without a broker."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from streamforge import pressure
from streamforge.gateway.overflow import readers
from streamforge.gateway.overflow.ahead import Budget
from streamforge.gateway.overflow.controller import Overflow, Places
from streamforge.gateway.overflow.readers import FILE, Readers
from streamforge.health import HealthServer, State
from streamforge.incarnations import Incarnations
from streamforge.progress import Partition, Position, Progress
from tests.contracts.test_units import METRICS
from tests.gateway.overflow.staged import asked


def controller(root: Path, budget_bytes: int = 10**15) -> Overflow:
    where = Places(
        root=root, runtime=root, configuration=root, state=root, budget=lambda: Budget(size_bytes=budget_bytes)
    )
    return Overflow(where, command=("false",))


def test_it_loads_no_kafka_client_and_nothing_of_the_codec() -> None:
    code = "import sys, streamforge.gateway.overflow.controller; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(loaded.stdout.split()) & {"kafka", "fastavro", "orjson", "asyncio", "bottle", "psutil"} == set()


def test_it_has_the_metrics_of_every_unit_and_its_own(tmp_path: Path) -> None:
    text = controller(tmp_path).metrics.text().decode()
    own = ("streamforge_log_used_bytes", "streamforge_log_budget_bytes", "streamforge_disk_tier")
    assert [name for name in (*METRICS, *own) if name not in text] == []


def test_without_a_log_there_is_room(tmp_path: Path) -> None:
    overflow = controller(tmp_path)
    overflow.step(threading.Event())
    told = pressure.read(tmp_path)
    assert told is not None
    assert not told.is_gated
    assert overflow.health().details["log_used_bytes"] == 0


def test_a_log_that_may_not_be_seen_is_said_and_closes_no_gate(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka/data").touch()
    overflow = controller(tmp_path)
    overflow.step(threading.Event())
    assert overflow.health().state is State.DEGRADED
    assert overflow.status() == "the log cannot be seen: Not a directory"
    assert not pressure.Gate(tmp_path).reason


def test_a_full_log_gates_without_a_broker(tmp_path: Path) -> None:
    folder = tmp_path / "kafka/data/telemetry.raw-0"
    folder.mkdir(parents=True)
    (folder / f"{0:020}.log").write_bytes(bytes(1_000_000))
    overflow = controller(tmp_path, budget_bytes=1_000_000)
    overflow.step(threading.Event())
    assert pressure.Gate(tmp_path).reason.endswith("% full")
    assert overflow.health().state is State.UNHEALTHY
    overflow.close()


def test_what_a_silent_sink_said_last_outlives_the_controller(tmp_path: Path) -> None:
    (tmp_path / "sinks/file").mkdir(parents=True)
    (tmp_path / "sinks/file/out.toml").touch()
    clean = Partition("telemetry.clean")
    progress = Progress(positions={clean: Position(next_offset=77)}).to_json()
    details = {"kind": "sink", "topics": [clean.topic], "progress": progress}
    server = HealthServer(asked("streamforge-sink-file@out", details), tmp_path)
    server.start()
    overflow = controller(tmp_path)
    overflow.step(threading.Event())
    server.stop()
    overflow.drain(0.0)
    assert "streamforge-sink-file@out" in json.loads((tmp_path / FILE).read_text())
    again = controller(tmp_path)
    again.step(threading.Event())
    held = again._readers.held([clean], Incarnations())
    assert held[clean]["sink-file@out"] == 77
    assert held[clean]["transform-aggregator"] == 0


def test_nothing_is_concluded_from_what_readers_said_before_a_boot_until_they_had_time_to_say_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transforms = ("streamforge-transform-validator", "streamforge-transform-aggregator")
    known = Readers(tmp_path, tmp_path, tmp_path)
    known.ask()
    assert not known.are_heard, "nobody has said anything yet"
    servers = [HealthServer(asked(unit, stages("telemetry.raw")), tmp_path) for unit in transforms]
    servers[0].start()
    known.ask()
    assert not known.are_heard
    with monkeypatch.context() as patch:
        patch.setattr(readers, "PATIENCE_SECONDS", 0.0)
        assert known.are_heard, "the other one does not come"
    servers[1].start()
    known.ask()
    assert known.are_heard
    for server in servers:
        server.stop()


def stages(topic: str) -> dict[str, Any]:
    return {"stages": [{"input": topic, "partition": 0, "hold_offset": 7, "incarnation": 1}]}
