"""The end of a partition before a start: headers set right, ends that nothing proves cut and kept, and said."""

from pathlib import Path

import pytest

from streamforge.gateway.doctor import aside, incarnation, newest
from streamforge.incarnations import FILE, Incarnations
from streamforge.progress import Partition, Position
from tests.codec.segment_maker import segment, write
from tests.gateway.small_files import log_directory

MADE = segment(0, [4, 6, 2])
LAST = MADE.batches[-1][0]
FLOW = Partition("flow.raw", 0)
ANOTHER = Partition("flow.raw", 1)
NAME = f"data/flow.raw-0/{0:020d}.log"


@pytest.fixture
def kafka(tmp_path: Path) -> Path:
    """A log in which the broker left 12 records of one partition, and stopped in order."""
    kafka, public = tmp_path / "kafka", tmp_path / "run"
    public.mkdir()
    log_directory(kafka / "data")
    write(kafka / "data" / "flow.raw-0", 0, MADE.data)
    assert incarnation.keep(kafka, public, "a")
    (kafka / "data" / incarnation.STOPPED_IN_ORDER).write_text("{}")
    return kafka


def known(kafka: Path) -> Incarnations:
    return Incarnations.from_json((kafka / FILE).read_bytes())


def damage(kafka: Path, at: int, content: bytes) -> None:
    with (kafka / NAME).open("r+b") as file:
        file.seek(at)
        file.write(content)


def test_a_sound_log_is_left_alone(kafka: Path) -> None:
    before = (kafka / NAME).stat()
    assert newest.mend(kafka / "data") == []
    assert newest.cut(kafka) == []
    assert (kafka / NAME).stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    ("at", "content", "wrong"),
    [
        (0, (9).to_bytes(8, "big"), "base offset 9 for 10"),
        (8, (7).to_bytes(4, "big"), f"length 7 for {len(MADE.data) - LAST - 12}"),
        (16, b"\0", "magic 0 for 2"),
    ],
)
def test_a_header_is_set_right_and_said(kafka: Path, at: int, content: bytes, wrong: str) -> None:
    damage(kafka, LAST + at, content)
    assert [str(one) for one in newest.mend(kafka / "data")] == [
        f"{NAME}: byte {LAST}: {wrong}; set right, as the checksum proves"
    ]
    assert (kafka / NAME).read_bytes() == MADE.data
    assert newest.mend(kafka / "data") == []


def test_an_end_that_nothing_proves_opens_an_incarnation_and_is_kept_aside(kafka: Path) -> None:
    damage(kafka, LAST, bytes(len(MADE.data) - LAST))
    as_it_was = (kafka / NAME).read_bytes()
    (kafka / NAME).with_suffix(".index").write_bytes(b"\0" * 8)
    assert newest.mend(kafka / "data") == []
    (opened,) = incarnation.keep(kafka, kafka.parent / "run", "a", lambda: newest.broken(kafka / "data"))
    assert (opened.is_grave, incarnation.END_DAMAGED in opened.wrong) == (True, True)
    number = known(kafka).current - 1
    assert known(kafka).clamp(FLOW, Position(next_offset=12, incarnation=number)).next_offset == 10
    assert known(kafka).clamp(ANOTHER, Position(next_offset=12, incarnation=number)).next_offset == 12
    (finding,) = newest.cut(kafka)
    assert str(finding).endswith("are no batch; ends there, at offset 10; the file as it was is kept in aside/1")
    assert (kafka / NAME).read_bytes() == MADE.data[:LAST]
    assert not (kafka / NAME).with_suffix(".index").exists()
    assert (kafka / "aside" / "1" / NAME).read_bytes() == as_it_was
    (kept,) = aside.listed(kafka)
    assert kept.reason == f"{NAME} is damaged from byte {LAST} on"
    assert kept.size_bytes > 0
    assert newest.cut(kafka) == []
    assert incarnation.keep(kafka, kafka.parent / "run", "a", lambda: newest.broken(kafka / "data")) == []


def test_a_torn_end_of_a_broker_that_was_killed_is_the_brokers(kafka: Path) -> None:
    (kafka / "data" / incarnation.STOPPED_IN_ORDER).unlink()
    damage(kafka, LAST, bytes(len(MADE.data) - LAST))
    assert newest.mend(kafka / "data") == []
    assert newest.broken(kafka / "data") == {}
    assert newest.cut(kafka) == []


def test_only_the_newest_segment_is_looked_at(kafka: Path) -> None:
    damage(kafka, LAST, bytes(len(MADE.data) - LAST))
    write(kafka / "data" / "flow.raw-0", 12, segment(12, [1]).data)
    assert newest.broken(kafka / "data") == {}
