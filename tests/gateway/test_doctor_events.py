"""What the doctor did is an event as soon as the broker is there."""

from pathlib import Path

import pytest

from streamforge.gateway import event_spool, kafka_doctor
from streamforge.gateway.doctor import ballast, copies, events, incarnation
from streamforge.gateway.doctor.report import Finding, boot_id
from streamforge.gateway.event_spool import EventSpool
from streamforge.model import Severity
from tests.gateway.small_files import log_directory

MENDED = Finding(file="meta.properties", wrong="empty", done="restored from the copy")
GRAVE = Finding(file="data", wrong="the broker did not start", done="moved to aside/1 and kept", is_grave=True)
OPENED = Finding(file="incarnations.json", wrong="the power went", done="opened incarnation 2", is_grave=True)


@pytest.fixture
def spool(tmp_path: Path) -> EventSpool:
    directory = event_spool.place(tmp_path)
    directory.mkdir(parents=True)
    return EventSpool(directory)


def test_each_thing_done_is_one_event_in_order(spool: EventSpool) -> None:
    events.spool([MENDED, GRAVE], spool)
    mended, grave = map(event_spool.read, spool.waiting())
    assert (mended.type, mended.severity, grave.severity) == ("log_mended", Severity.MEDIUM, Severity.HIGH)
    assert mended.message == "Before the broker started: meta.properties: empty; restored from the copy."
    assert mended.details == {"file": "meta.properties", "wrong": "empty", "done": "restored from the copy"}


def test_the_same_thing_done_at_two_starts_is_two_events(spool: EventSpool) -> None:
    events.spool([MENDED], spool)
    events.spool([MENDED], spool)
    assert len({event_spool.read(path).event_id for path in spool.waiting()}) == 2


def test_what_others_tell_and_what_is_routine_is_no_event(spool: EventSpool) -> None:
    events.spool([OPENED, Finding(file=ballast.FILE, wrong="missing", done="made, 64 MiB")], spool)
    assert spool.waiting() == []


def test_a_spool_that_does_not_take_it_is_said_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events.spool([MENDED], EventSpool(tmp_path / "nowhere"))
    events.spool([MENDED], EventSpool(tmp_path, most_events=0))
    assert [record.getMessage() for record in caplog.records] == ["event_not_spooled"] * 2


def test_a_run_of_the_doctor_leaves_its_events(
    spool: EventSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMFORGE_ROOT", str(tmp_path))
    monkeypatch.setenv("STREAMFORGE_RUN", str(tmp_path))
    kafka = tmp_path / "kafka"
    log_directory(kafka / "data")
    copies.CopyKeeper(kafka).look()
    incarnation.keep(kafka, tmp_path, boot_id())
    assert kafka_doctor.main() == 0
    assert spool.waiting() == []
    (kafka / "data/meta.properties").write_bytes(b"")
    assert kafka_doctor.main() == 0
    assert [event_spool.read(path).details["file"] for path in spool.waiting()] == ["meta.properties"]
