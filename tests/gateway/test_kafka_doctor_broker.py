"""Every small file, damaged in every way, under the real broker: mended, started, all records read, one more written.

A seeded sample of the combinations, and all of them with STREAMFORGE_EVERY_DAMAGE=1 (ten minutes); the table that this
prints (pytest -s) stands in docs/kafka-doctor.md. The damages themselves are in tests/faults/small_files.py.
"""

import os
import time
from collections.abc import Iterator

import pytest

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
