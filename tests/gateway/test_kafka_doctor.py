"""What the doctor does to a log directory, without a broker."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from streamforge.gateway import event_spool, kafka_doctor
from streamforge.gateway.doctor import aside, copies, remedies
from streamforge.gateway.doctor.files import Kind, fault, partition_metadata, properties
from streamforge.gateway.doctor.incarnation import keep
from streamforge.gateway.doctor.report import Finding, boot_id, read_report, write_report
from streamforge.gateway.doctor.starts import count
from tests.gateway.small_files import META, OTHER_META, SNAPSHOT_NAME, TOPIC, TOPIC_RECORD, files, log_directory

FROM_COPY, REMOVED = remedies.FROM_COPY, remedies.REMOVED
DONE = {
    "meta.properties": FROM_COPY,
    "bootstrap.checkpoint": FROM_COPY,
    SNAPSHOT_NAME: FROM_COPY,
    "__cluster_metadata-0/partition.metadata": remedies.MADE_ANEW,
    "flow.raw-0/partition.metadata": FROM_COPY,
    "flow.raw-1/partition.metadata": FROM_COPY,
}
DAMAGES = {
    "empty": b"",
    "garbage": random.Random(1).randbytes(90),
    "truncated": None,
    "zeroed": bytes(90),
}


@pytest.fixture
def kafka(tmp_path: Path) -> Path:
    kafka = tmp_path / "kafka"
    event_spool.place(tmp_path).mkdir(parents=True)
    log_directory(kafka / "data")
    copies.CopyKeeper(kafka).look()
    keep(kafka, tmp_path, boot_id())  # or the first look at it would be a new incarnation
    return kafka


def present(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def treat(kafka: Path) -> list[Finding]:
    return remedies.treat(kafka / "data", copies.load(kafka))


def test_a_sound_log_is_not_touched(kafka: Path) -> None:
    before = present(kafka / "data")
    assert treat(kafka) == []
    assert present(kafka / "data") == before


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", sorted(files()))
def test_every_damage_is_made_good(kafka: Path, name: str, how: str) -> None:
    path = kafka / "data" / name
    whole = files()[name]
    damaged = DAMAGES[how]
    path.write_bytes(whole[: len(whole) // 2] if damaged is None else damaged)
    may_be_so = name.endswith(("offset-checkpoint", "epoch-checkpoint")) and not path.read_bytes()
    found = treat(kafka)
    if may_be_so:
        assert found == []
        return
    (finding,) = found
    assert (finding.file, finding.done, finding.is_grave) == (name, DONE.get(name, REMOVED), False)
    assert path.exists() == (finding.done != REMOVED)
    assert not path.exists() or path.read_bytes() == whole
    assert treat(kafka) == []


@pytest.mark.parametrize("name", sorted(files()))
def test_what_is_missing_comes_back_where_kafka_does_not_make_it(kafka: Path, name: str) -> None:
    (kafka / "data" / name).unlink()
    found = {finding.file: finding.done for finding in treat(kafka)}
    # The snapshot's metadata log begins at 0 here: nothing needs it.
    assert found == ({name: DONE[name]} if name in DONE and name != SNAPSHOT_NAME else {})


def test_a_snapshot_that_is_needed_comes_back(kafka: Path) -> None:
    metadata = kafka / "data" / "__cluster_metadata-0"
    (metadata / "00000000000000000000.log").rename(metadata / "00000000000000000500.log")
    (kafka / "data" / SNAPSHOT_NAME).unlink()
    assert [(one.file, one.done) for one in treat(kafka)] == [(SNAPSHOT_NAME, FROM_COPY)]
    (metadata / "00000000000000000600-0000000002.checkpoint").write_bytes(b"x")
    (finding,) = treat(kafka)
    assert finding.is_grave, "it is damaged, has no copy, and is the only one that reaches the log's begin"


def test_an_id_comes_from_the_metadata_log_before_the_copy(kafka: Path) -> None:
    """The copy may be of a topic of that name that was deleted since."""
    log = kafka / "data/__cluster_metadata-0/00000000000000000000.log"
    newer = TOPIC_RECORD[:12] + bytes(range(16)) + b"\0"
    log.write_bytes(log.read_bytes() + TOPIC_RECORD + b"..." + newer)
    path = kafka / "data/flow.raw-1/partition.metadata"
    path.write_bytes(b"")
    assert [finding.done for finding in treat(kafka)] == ["rebuilt from the metadata log"]
    assert path.read_bytes() == b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"


def test_a_copy_of_a_topic_that_was_deleted_since_is_not_believed(kafka: Path) -> None:
    log = kafka / "data/__cluster_metadata-0/00000000000000000000.log"
    log.write_bytes(TOPIC_RECORD[:12] + bytes(range(16)) + b"\0")
    for number in (0, 1):
        (kafka / f"data/flow.raw-{number}/partition.metadata").write_bytes(partition_metadata("AAECAwQFBgcICQoLDA0ODw"))
    assert remedies.treat(kafka / "data", copies.load(kafka), is_suspicious=True) == []


def test_a_file_that_the_disk_does_not_let_go_of_does_not_keep_the_others_from_being_mended(kafka: Path) -> None:
    path = kafka / "data/meta.properties"
    path.unlink()
    (path / "what is this").mkdir(parents=True)
    (kafka / "data/flow.raw-0/leader-epoch-checkpoint").write_bytes(b"x")
    first, second = treat(kafka)
    assert (first.wrong, first.done, first.is_grave) == (
        "cannot be read: Is a directory",
        "not mended: Is a directory",
        True,
    )
    assert second.done == REMOVED


def test_without_log_and_copy_an_id_comes_from_another_partition(kafka: Path) -> None:
    path = kafka / "data/flow.raw-1/partition.metadata"
    path.unlink()
    (finding,) = remedies.treat(kafka / "data", {})
    assert finding.done == "taken from another partition of the topic"
    assert path.read_bytes() == TOPIC
    for number in (0, 1):
        (kafka / f"data/flow.raw-{number}/partition.metadata").unlink()
    assert [one.is_grave for one in remedies.treat(kafka / "data", {})] == [True, True]


def test_without_a_copy_the_logs_ids_come_from_the_voter(kafka: Path) -> None:
    path = kafka / "data/meta.properties"
    path.write_bytes(b"")
    (finding,) = remedies.treat(kafka / "data", {})
    assert finding.done == "rebuilt from the metadata log"
    assert not fault(Kind.META_PROPERTIES, path.read_bytes())
    assert properties(path.read_bytes())["directory.id"] == properties(META)["directory.id"]


def test_a_file_that_is_not_its_copy_is_replaced_only_after_a_start_that_failed(kafka: Path) -> None:
    path = kafka / "data/meta.properties"
    path.write_bytes(META.replace(b"GUhPU4w7", b"HUhPU4w7"))
    assert treat(kafka) == []
    known = copies.load(kafka)
    (finding,) = remedies.treat(kafka / "data", known, is_suspicious=True)
    assert (finding.wrong, finding.done, path.read_bytes()) == ("not what its copy is", FROM_COPY, META)


def test_copies_of_another_log_are_not_used(kafka: Path) -> None:
    (kafka / "data/meta.properties").write_bytes(OTHER_META)
    (kafka / "data/bootstrap.checkpoint").write_bytes(b"")
    assert [finding.done for finding in treat(kafka)] == [REMOVED]
    assert (kafka / "data/meta.properties").read_bytes() == OTHER_META


def test_directories_that_kafka_took_out_of_use_are_left_alone(kafka: Path) -> None:
    for name in ("flow.raw-0.4f2c-delete", "flow.raw-1.4f2c-stray"):
        (kafka / "data" / name).mkdir()
        (kafka / "data" / name / "partition.metadata").write_bytes(b"")
    assert treat(kafka) == []


def test_copies_are_written_when_something_is_new(kafka: Path) -> None:
    keeper = copies.CopyKeeper(kafka)
    assert not keeper.look(), "they stand there already"
    (kafka / "data/new-0").mkdir()
    assert not keeper.look(), "no id yet"
    (kafka / "data/new-0/partition.metadata").write_bytes(TOPIC)
    assert keeper.look()
    assert copies.load(kafka)["new-0/partition.metadata"] == TOPIC
    (kafka / "data/new-0/partition.metadata").write_bytes(b"")
    keeper.look()
    assert "new-0/partition.metadata" not in copies.load(kafka)


def test_of_two_copies_the_newest_that_is_whole_counts(kafka: Path) -> None:
    newest = kafka / "copies" / copies.FILE
    (kafka / "data/new-0").mkdir()
    (kafka / "data/new-0/partition.metadata").write_bytes(TOPIC)
    copies.CopyKeeper(kafka).look()
    newest.write_text(newest.read_text().replace("ooig", "ooiA"))
    assert copies.load(kafka)["meta.properties"] == META
    assert "new-0/partition.metadata" not in copies.load(kafka)
    (kafka / "copies" / copies.FILE_BEFORE).write_bytes(b"[]")
    assert copies.load(kafka) == {}


def test_what_is_done_is_said_and_written_down(kafka: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (kafka / "data/meta.properties").write_bytes(b"")
    done = run(kafka)
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if "ballast" not in line]
    assert [line[:3] for line in lines] == ["<4>"]
    event = {"event": "doctor_mended", "file": "meta.properties", "wrong": "empty", "done": FROM_COPY}
    assert json.loads(lines[0][3:]) == event
    report = read_report(kafka)
    assert report is not None
    assert "meta.properties: empty; restored from the copy" in map(str, report.findings)
    run(kafka)
    report = read_report(kafka)
    assert report is not None
    assert report.findings == ()


def test_it_starts_without_the_kafka_client(kafka: Path) -> None:
    program = "import sys; from streamforge.gateway import kafka_doctor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"kafka", "fastavro", "streamforge.bus"} & set(done.stdout.split())


def test_a_step_that_the_disk_refuses_does_not_stop_the_next(kafka: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path) -> list[Finding]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(kafka_doctor, "STEPS", (broken, kafka_doctor.mend_files))
    (kafka / "data/meta.properties").unlink()
    first, second = kafka_doctor.examine(kafka)
    assert (first.file, first.is_grave) == ("broken", True)
    assert second.done == FROM_COPY


def test_a_log_without_its_ids_is_set_aside_at_once(kafka: Path) -> None:
    for path in (kafka / "data").rglob("*.*"):
        if path.suffix in (".log", ".checkpoint") or path.name == "meta.properties":
            path.unlink()
    for path in (kafka / "copies").iterdir():
        path.unlink()
    done = run(kafka)
    assert done.stderr.count("<2>") == 3, "what is lost, what becomes of the log, and that another begins"
    assert not (kafka / "data").exists()
    (log,) = aside.listed(kafka)
    assert log.reason.startswith("meta.properties is lost")
    assert (kafka / "aside/1/data/flow.raw-0/partition.metadata").exists()


@pytest.mark.parametrize("prepare", ["nothing", "no directory", "an empty log directory"])
def test_before_the_first_format_there_is_nothing_to_do(tmp_path: Path, prepare: str) -> None:
    kafka = tmp_path / "kafka"
    if prepare != "no directory":
        kafka.mkdir()
    if prepare == "an empty log directory":
        (kafka / "data").mkdir()
    done = run(kafka)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert prepare == "no directory" or "<2>" not in done.stderr


def test_a_report_that_is_damaged_is_none(tmp_path: Path) -> None:
    assert read_report(tmp_path) is None
    write_report(tmp_path, [Finding(file="a", wrong="b", done="c")])
    report = read_report(tmp_path)
    assert report is not None
    assert (len(report.boot_id), report.findings[0].done) == (36, "c")
    for damaged in ("", "[]", "{}", '{"findings": 3}'):
        (tmp_path / "doctor.json").write_text(damaged)
        assert read_report(tmp_path) is None


def test_the_command_is_what_the_unit_runs_before_the_broker() -> None:
    unit = (Path(__file__).parents[2] / "units/kafka.service").read_text()
    assert unit.index("ExecStartPre=-/usr/bin/streamforge doctor\n") < unit.index(
        "ExecStart=/usr/bin/streamforge kafka\n"
    )


def test_after_the_third_start_that_failed_it_says_so_with_the_highest_priority(kafka: Path) -> None:
    for number in range(3):
        assert "<2>" not in run(kafka).stderr
        count(kafka, f"reason {number}")
    moved, begun = [line for line in run(kafka).stderr.splitlines() if line.startswith("<2>")]
    assert json.loads(begun[3:])["file"] == "incarnations.json"
    assert json.loads(moved[3:]) == {
        "event": "doctor_grave",
        "file": "data",
        "wrong": "the broker did not start 3 times in a row: reason 2",
        "done": "moved to aside/1 and kept; a fresh log is made",
    }


def run(kafka: Path) -> subprocess.CompletedProcess[str]:
    """The command as systemd runs it, on a gateway with that directory `kafka`."""
    command = [sys.executable, "-m", "streamforge", "doctor"]
    public = kafka.parent / "run"
    public.mkdir(exist_ok=True)
    environment = {"STREAMFORGE_ROOT": str(kafka.parent), "STREAMFORGE_RUN": str(public), "PATH": "/usr/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
