"""kafka.service as systemd runs it, doctor and supervisor, with a log that no small file will mend."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from streamforge.bus.admin import Admin
from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.gateway.doctor import aside, starts
from streamforge.gateway.doctor.copies import load
from streamforge.gateway.topic_setup import specs
from streamforge.gateway.topics import TOPICS
from streamforge.incarnations import FILE, Incarnations
from streamforge.progress import Partition, Position
from tests.gateway.test_kafka_supervisor import Unit, is_ready

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
PRODUCERS, RECORDS = 3, 50


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


def test_topics_that_the_broker_lost_sight_of_are_made_anew_in_an_incarnation_of_their_own(unit: DoctoredUnit) -> None:
    """Kafka cuts a damaged metadata log, and takes the partitions of topics that were made later for strays.

    A position of before, in a topic that begins at 0 again, would let a reader pass over new records.
    """
    kafka, run = unit.data.parent, unit.data.parent.parent / "run"
    (unit.data.parent.parent / "config" / "current").mkdir(parents=True)
    with Admin(unit.broker.connection("admin")) as admin:
        admin.ensure_topics(specs(4 * 1024**3, 1))
    unit.jvm.kill()
    unit.end()
    log = unit.data / "__cluster_metadata-0" / "00000000000000000000.log"
    content = log.read_bytes()
    middle = len(content) // 2
    log.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])
    unit.doctor()
    before = Incarnations.from_json((run / FILE).read_bytes()).current
    unit.start()
    unit.wait_for(is_ready)
    found = Incarnations.from_json((run / FILE).read_bytes())
    assert found.current == before + 1
    assert found.opened[-1].is_kept_aside
    place = next(place for place in found.opened[-1].firsts if place.topic in {topic.name for topic in TOPICS})
    assert found.clamp(place, Position(next_offset=90_000, incarnation=before)).next_offset == 0
    assert (unit.data / f"{place.topic}-0").is_dir(), "made anew at once, for streamforge-topics does not come again"
    stop(unit)
    assert "moved to aside/1 and kept" in unit.doctor()
    assert Incarnations.from_json((run / FILE).read_bytes()) == found, "said once"
    assert Incarnations.from_json((kafka / FILE).read_bytes()) == found


def test_producer_ids_of_before_the_damage_are_not_given_out_again(unit: DoctoredUnit) -> None:
    """Else the broker takes the batches of a new producer for repeats of an old one's: acknowledged, never written."""
    connection = unit.broker.connection("admin")
    with Admin(connection) as admin:
        admin.ensure_topics(specs(4 * 1024**3, 1))
    unit.jvm.kill()
    unit.end()
    unit.doctor()
    unit.start()
    unit.wait_for(is_ready)
    write(connection)
    unit.jvm.kill()
    unit.end()
    log = unit.data / "__cluster_metadata-0" / "00000000000000000000.log"
    content = bytearray(log.read_bytes())
    newest = content.rindex(b"\x01\x0f\x00\x00\x00\x00\x01")  # the block of ids of this broker's last life
    content[newest : newest + 8] = bytes(8)
    log.write_bytes(content)
    unit.doctor()
    unit.start()
    unit.wait_for(is_ready)
    write(connection)
    with Admin(connection) as admin:
        assert admin.end_offset("telemetry.raw") == 2 * PRODUCERS * RECORDS
    stop(unit)


def write(connection: Connection) -> None:
    """So many records by each of some new producers, each in one batch; all are acknowledged."""
    for _ in range(PRODUCERS):
        producer = Producer(connection, ("telemetry.raw",))
        for _ in range(RECORDS):
            producer.send(Partition("telemetry.raw"), b"k", b"v", (), lambda _offset: None)
        assert producer.flush(10)
        producer.close()
