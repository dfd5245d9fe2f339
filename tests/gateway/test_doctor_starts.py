"""Starts that failed in a row, logs set aside, and the ballast."""

import shutil
from pathlib import Path

import pytest

from streamforge import logs
from streamforge.errors import ConfigError
from streamforge.gateway.doctor import aside, ballast, beyond_repair
from streamforge.gateway.doctor.ballast import Room
from streamforge.gateway.doctor.keeper import Keeper
from streamforge.gateway.doctor.starts import FailedStarts, count, expect_allowed, is_of_the_log, load, save
from streamforge.gateway.jvm_log import StartLines
from tests.gateway.small_files import log_directory

MIB = 1024 * 1024


@pytest.fixture
def kafka(tmp_path: Path) -> Path:
    log_directory(tmp_path / "data")
    return tmp_path


def fail(kafka: Path, times: int = 3) -> None:
    for number in range(times):
        count(kafka, f"reason {number}")


@pytest.mark.parametrize(
    ("code", "said", "is_one"),
    [
        (1, "ERROR kafka.log.LogManager - There was an error in one of the threads during logs loading", True),
        (1, "", True),
        (None, "", True),
        (-7, "", True),
        (-9, "", False),
        (143, "", False),
        (-15, "", False),
        (3, "", False),
        (1, "Caused by: java.net.BindException: Address already in use", False),
        (1, "java.io.IOException: No space left on device", False),
        (1, "java.nio.file.FileSystemException: /x: Read-only file system", False),
        (1, "org.apache.kafka.common.KafkaException: Failed to acquire lock on file .lock in /x", False),
        (1, "Error: Could not find or load main class kafka.Kafka", False),
    ],
)
def test_only_what_lies_in_the_log_counts(code: int | None, said: str, is_one: bool) -> None:
    assert is_of_the_log(code, ["INFO a.B - c", said]) is is_one


def test_the_count_outlives_a_process_and_ends_with_a_start_that_serves(kafka: Path) -> None:
    keeper, said = Keeper(kafka), StartLines()
    list(said.taken(["INFO a.B - c\n", "ERROR d.E - the file is damaged\n", "ERROR f.G - dying\n"]))
    keeper.failed(1, "the JVM ended with 1", said)
    keeper.failed(-9, "the JVM ended with -9", said)
    assert load(kafka).reasons == ("the JVM ended with 1: ERROR d.E - the file is damaged",)
    keeper.served()
    assert not (kafka / "failed-starts.json").exists()


@pytest.mark.parametrize("damaged", ["", "[]", '{"reasons": 3}', '{"reasons": [], "more": 1}'])
def test_a_damaged_count_is_none(kafka: Path, damaged: str) -> None:
    (kafka / "failed-starts.json").write_text(damaged)
    assert load(kafka) == FailedStarts()
    fail(kafka, 1)
    assert load(kafka).reasons == ("reason 0",)


def test_two_failures_move_nothing_and_three_set_the_log_aside(kafka: Path) -> None:
    fail(kafka, 2)
    assert beyond_repair.after_failed_starts(kafka) == []
    count(kafka, "reason 2")
    (finding,) = beyond_repair.after_failed_starts(kafka)
    assert finding.is_grave
    assert "aside/1" in finding.done
    assert not (kafka / "data").exists()
    (log,) = aside.listed(kafka)
    assert (log.number, log.starts) == (1, ("reason 0", "reason 1", "reason 2"))
    assert log.size_bytes > 0
    assert (kafka / "aside/1/data/meta.properties").exists()
    assert load(kafka) == FailedStarts(aside=1)


def test_a_fresh_log_that_fails_too_gives_the_old_one_back_and_nothing_moves_any_more(kafka: Path) -> None:
    fail(kafka)
    beyond_repair.after_failed_starts(kafka)
    (kafka / "data").mkdir()
    fail(kafka)
    (finding,) = beyond_repair.after_failed_starts(kafka)
    assert "aside/1 is back in its place" in finding.done
    assert (kafka / "data/meta.properties").exists()
    assert [(log.number, log.reason) for log in aside.listed(kafka)] == [(2, beyond_repair.NEVER_SERVED)]
    fail(kafka)
    assert beyond_repair.after_failed_starts(kafka) == []
    Keeper(kafka).served()
    fail(kafka)
    assert beyond_repair.after_failed_starts(kafka)
    assert [log.number for log in aside.listed(kafka)] == [2, 3]


def test_only_the_log_of_these_starts_comes_back(kafka: Path) -> None:
    fail(kafka)
    beyond_repair.after_failed_starts(kafka)
    Keeper(kafka).served()
    log_directory(kafka / "data")
    fail(kafka)
    beyond_repair.after_failed_starts(kafka)
    shutil.rmtree(kafka / "aside/2")
    (kafka / "data").mkdir()
    fail(kafka)
    assert beyond_repair.after_failed_starts(kafka) == []
    assert [log.number for log in aside.listed(kafka)] == [1]


def test_strays_are_kept_beside_the_log(kafka: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    assert beyond_repair.after_strays(kafka) == []
    stray = "flow.raw-0.7794c76e13c64ece80cd4219e215f4a1-stray"
    (kafka / "data/flow.raw-0").rename(kafka / "data" / stray)
    Keeper(kafka).served()
    assert '<2>{"event": "broker_lost_topics"' in capfd.readouterr().err
    (finding,) = beyond_repair.after_strays(kafka)
    assert finding.wrong == "partitions that the broker's metadata did not know: 1"
    assert (kafka / "aside/1/data" / stray / "partition.metadata").exists()
    assert not (kafka / "data" / stray).exists()
    assert [log.size_bytes > 0 for log in aside.listed(kafka)] == [True]
    assert beyond_repair.after_strays(kafka) == []


def test_copies_go_with_their_log(kafka: Path) -> None:
    Keeper(kafka).served()
    fail(kafka)
    beyond_repair.after_failed_starts(kafka)
    assert not (kafka / "copies").exists()
    assert (kafka / "aside/1/copies/small-files.json").exists()


def test_after_a_cut_between_the_move_and_the_count_the_next_log_is_not_moved(kafka: Path) -> None:
    fail(kafka)
    known = load(kafka)
    beyond_repair.after_failed_starts(kafka)
    save(kafka, known)
    assert beyond_repair.after_failed_starts(kafka) == []
    (kafka / "data").mkdir()
    assert beyond_repair.after_failed_starts(kafka) == []
    assert (kafka / "data").exists()


def test_without_room_the_start_is_refused_until_there_is(kafka: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(kafka)
    monkeypatch.setattr(ballast, "room", lambda _: Room(1 * MIB, 900 * MIB))
    beyond_repair.after_failed_starts(kafka)
    assert (kafka / "data").exists()
    with pytest.raises(ConfigError, match="no room for a fresh log: 1 of 900 MiB are free"):
        expect_allowed(kafka)
    monkeypatch.undo()
    beyond_repair.after_failed_starts(kafka)
    expect_allowed(kafka)
    assert not (kafka / "data").exists()


def test_a_log_whose_reason_is_gone_is_still_listed(kafka: Path) -> None:
    fail(kafka)
    beyond_repair.after_failed_starts(kafka)
    (kafka / "aside/1/why.json").unlink()
    (log,) = aside.listed(kafka)
    assert (log.number, log.reason) == (1, "not known")
    assert log.size_bytes > 0


def test_the_supervisor_says_what_the_doctor_did_and_what_is_aside(kafka: Path) -> None:
    fail(kafka)
    beyond_repair.after_failed_starts(kafka)
    log_directory(kafka / "data")
    keeper = Keeper(kafka)
    keeper.served()
    assert keeper.details["aside"] == ["aside/1, 0 MiB: the broker did not start 3 times in a row"]
    assert keeper.details["doctor"] == []
    assert keeper.note == "; logs set aside, not read: 1 (0 MiB)"


@pytest.mark.parametrize(
    ("free_mib", "total_mib", "is_short"),
    [(63, 1000, True), (65, 1000, False), (150, 10_000, True), (250, 10_000, False)],
)
def test_the_disk_is_short_below_64_mib_or_two_per_cent(free_mib: int, total_mib: int, is_short: bool) -> None:
    assert Room(free_mib * MIB, total_mib * MIB).is_short is is_short


def test_the_ballast_takes_its_blocks_and_gives_them_back(kafka: Path) -> None:
    plenty, short = Room(1000 * MIB, 2000 * MIB), Room(20 * MIB, 2000 * MIB)
    size = 4 * MIB
    assert ballast.make(kafka, Room(39 * MIB, 2000 * MIB), size) == []
    assert [finding.done for finding in ballast.make(kafka, plenty, size)] == ["made, 4 MiB"]
    assert (kafka / "ballast").stat().st_blocks * 512 >= size
    assert ballast.make(kafka, plenty, size) == []
    assert ballast.release(kafka, plenty) == []
    (finding,) = ballast.release(kafka, short)
    assert (finding.wrong, finding.done) == ("20 of 2000 MiB are free", "released 4 MiB")
    assert not (kafka / "ballast").exists()
    assert [finding.done for finding in ballast.release(kafka, short)] == ["none is left to release"]
