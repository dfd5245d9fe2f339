"""Every small file, damaged in every way, under the real broker: mended, started, all records read, one more written.

A seeded sample of the combinations, and all of them with STREAMFORGE_EVERY_DAMAGE=1 (ten minutes); the table that this
prints (pytest -s) stands in docs/kafka-doctor.md. The damages themselves are in tests/faults/small_files.py.
"""

import os
import time
from collections.abc import Iterator

import pytest

from streamforge.codec.log_batches import Batch
from streamforge.codec.segments import segments, walk_segment
from streamforge.gateway import kafka_doctor
from tests.faults.small_files import EVERY, NEEDED, Damage, Log, damage, drawn, is_reported

pytestmark = pytest.mark.broker

SAMPLE, SEED = 8, "20261127"
CASES = EVERY if "STREAMFORGE_EVERY_DAMAGE" in os.environ else drawn(SEED, SAMPLE)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    log = Log(tmp_path_factory.mktemp("doctor"))
    log.make()
    yield log
    log.broker.kill()


@pytest.fixture(autouse=True)
def _run(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the doctor leaves what all units read."""
    monkeypatch.setenv("STREAMFORGE_RUN", str(log.kafka.parent))


@pytest.mark.parametrize("one", CASES, ids=str)
def test_a_damaged_file_is_mended_and_nothing_is_lost(log: Log, one: Damage) -> None:
    damage(log.broker.broker.data / one.file, one.how, SEED)
    found = list(kafka_doctor.examine(log.kafka))
    done = [finding for finding in found if finding.file == one.file]
    assert not any(finding.is_grave for finding in done)
    assert is_reported(one, found)
    _expect_all(log, f"| `{one.file}` | {one.how} | {done[0].done if done else 'nothing to do'}")


def test_a_log_without_copies_gets_its_ids_from_the_metadata_log(log: Log) -> None:
    for file in NEEDED:
        damage(log.broker.broker.data / file, "missing")
    for path in (log.kafka / "copies").iterdir():
        path.unlink()
    done = {finding.file: finding.done for finding in kafka_doctor.examine(log.kafka)}
    assert {done[file] for file in NEEDED} == {"rebuilt from the metadata log"}
    _expect_all(log, f"| `{'`, `'.join(NEEDED)}`, and the copies | missing | rebuilt from the metadata log")


def test_a_running_broker_is_left_alone(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFORGE_ROOT", str(log.kafka.parent))
    assert not kafka_doctor.is_running(log.kafka)
    log.broker.start()
    assert kafka_doctor.main() == 1
    log.broker.kill()
    assert kafka_doctor.main() == 0


def test_the_last_headers_of_a_log_are_set_right_and_no_offset_is_given_out_twice(log: Log) -> None:
    _stop_in_order(log)
    _write_into_last_batch(log, "telemetry.raw", 0, (log.written["telemetry.raw"] - 2).to_bytes(8, "big"))
    _write_into_last_batch(log, "alarms.raw", 16, b"\0")  # with which Kafka does not start
    done = [finding for finding in kafka_doctor.examine(log.kafka) if finding.done.startswith("set right")]
    assert [finding.wrong.partition(": ")[2] for finding in done] == [
        "magic 0 for 2",
        f"base offset {log.written['telemetry.raw'] - 2} for {log.written['telemetry.raw'] - 1}",
    ]
    _expect_all(log, "| the last batches | base offset, magic | set right")


def test_zeros_at_the_end_of_a_log_cost_what_they_hold_and_no_more(log: Log) -> None:
    _stop_in_order(log)
    _write_into_last_batch(log, "telemetry.raw", 0, bytes(61))  # with which Kafka does not start
    _write_into_last_batch(log, "alarms.raw", 8, (1 << 20).to_bytes(4, "big"))  # before which it would end
    done = [finding.done for finding in kafka_doctor.examine(log.kafka)]
    assert sum("set right" in one for one in done) == 1
    assert sum("ends there" in one for one in done) == sum("opened incarnation" in one for one in done) == 1
    log.written["telemetry.raw"] -= 1
    _expect_all(log, "| the last batches | length, zeroed | set right; ends there")


def _stop_in_order(log: Log) -> None:
    """With one record in the last batch of each topic."""
    log.broker.start()
    log.write(1)
    log.broker.stop()


def _write_into_last_batch(log: Log, topic: str, at: int, content: bytes) -> None:
    path = segments(log.broker.broker.data / f"{topic}-0")[-1]
    *_, last = walk_segment(path)
    assert isinstance(last, Batch)
    with path.open("r+b") as file:
        file.seek(last.position + at)
        file.write(content)


def _expect_all(log: Log, row: str) -> None:
    """It starts, every record is there, and one more goes in."""
    started = time.monotonic()
    log.broker.start()
    print(f"{row} | {time.monotonic() - started:.1f} |")
    try:
        assert log.read() == log.written
        log.write(1)
        log.copies.look()
    finally:
        log.broker.kill()
