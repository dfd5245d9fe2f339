"""The metadata log is copied before a start and comes back when the start emptied it."""

import errno
from pathlib import Path

import pytest

from streamforge.gateway.doctor import ballast, metadata_copy
from streamforge.gateway.doctor.ballast import Room
from streamforge.gateway.doctor.metadata_copy import MOST_RESTORED, drop, is_lost, keep, restore
from streamforge.gateway.kafka_doctor import keep_strays, restore_metadata
from tests.gateway.small_files import OTHER_META, SNAPSHOT, log_directory

SEGMENT, NEXT = "00000000000000000000.log", "00000000000000000003.log"
STRAY = "flow.raw-0.224b1f1fc9114340a27ad87d8907f696-stray"
MIB = 1024 * 1024


@pytest.fixture
def kafka(tmp_path: Path) -> Path:
    """A log that was copied for a start."""
    metadata = log_directory(tmp_path / "data") / "__cluster_metadata-0"
    (metadata / SEGMENT).write_bytes(SNAPSHOT)
    (metadata / NEXT).write_bytes(SNAPSHOT + b"a torn tail")
    keep(tmp_path)
    return tmp_path


def metadata(kafka: Path) -> Path:
    return kafka / "data" / "__cluster_metadata-0"


def empty(kafka: Path) -> None:
    """As Kafka 4.2.2 does: an empty first segment, into which it writes again, and no topic is known."""
    (metadata(kafka) / NEXT).unlink()
    (metadata(kafka) / SEGMENT).write_bytes(b"another beginning")
    (metadata(kafka) / "00000000000000000000.index").write_bytes(b"x")
    (kafka / "data" / "flow.raw-0").rename(kafka / "data" / STRAY)


def test_a_log_that_has_grown_or_lost_its_torn_tail_is_not_lost(kafka: Path) -> None:
    assert not is_lost(kafka)
    (metadata(kafka) / NEXT).write_bytes(SNAPSHOT + b"and more")
    assert not is_lost(kafka)
    assert restore_metadata(kafka) == []


@pytest.mark.parametrize("content", [b"", SNAPSHOT[:100], b"another beginning"])
def test_a_log_that_does_not_begin_as_it_did_is_lost(kafka: Path, content: bytes) -> None:
    (metadata(kafka) / SEGMENT).write_bytes(content)
    assert is_lost(kafka)


def test_a_segment_that_a_snapshot_has_made_superfluous_is_not_lost(kafka: Path) -> None:
    (metadata(kafka) / SEGMENT).unlink()
    assert is_lost(kafka)
    (metadata(kafka) / "00000000000000000003-0000000001.checkpoint").write_bytes(SNAPSHOT)
    assert not is_lost(kafka)


def test_what_was_emptied_comes_back_with_its_partitions(kafka: Path) -> None:
    empty(kafka)
    (finding,) = restore_metadata(kafka)
    assert finding.done == "restored from the copy, 1 partitions with it"
    assert (metadata(kafka) / SEGMENT).read_bytes() == (metadata(kafka) / NEXT).read_bytes() == SNAPSHOT
    assert not (metadata(kafka) / "00000000000000000000.index").exists()
    assert not (metadata(kafka) / "leader-epoch-checkpoint").exists()
    assert (kafka / "data" / "flow.raw-0").is_dir()
    assert not is_lost(kafka)
    assert restore(kafka) == []


def test_strays_are_not_set_aside_while_there_is_no_room_to_restore(kafka: Path) -> None:
    empty(kafka)
    assert keep_strays(kafka) == []
    drop(kafka)
    assert [finding.is_grave for finding in keep_strays(kafka)] == [True]


def test_a_stray_whose_place_is_taken_stays_one(kafka: Path) -> None:
    empty(kafka)
    (kafka / "data" / "flow.raw-0").mkdir()
    restore(kafka)
    assert (kafka / "data" / STRAY).is_dir()


def test_the_copy_for_a_start_that_did_not_serve_is_not_replaced_by_a_worse_one(kafka: Path) -> None:
    empty(kafka)
    keep(kafka)
    assert is_lost(kafka)


def test_once_the_broker_serves_there_is_no_copy_any_more(kafka: Path) -> None:
    drop(kafka)
    empty(kafka)
    assert not is_lost(kafka)
    drop(kafka)


def test_a_copy_of_another_log_or_a_damaged_one_is_not_used(kafka: Path) -> None:
    empty(kafka)
    (kafka / "data/meta.properties").write_bytes(OTHER_META)
    assert not is_lost(kafka)
    (kafka / "data/meta.properties").unlink()
    assert not is_lost(kafka)


def test_a_damaged_copy_is_not_used(kafka: Path) -> None:
    empty(kafka)
    (kafka / "copies" / metadata_copy.DIRECTORY / SEGMENT).write_bytes(b"x")
    assert not is_lost(kafka)


def test_a_log_that_is_emptied_again_and_again_is_left_to_the_broker(kafka: Path) -> None:
    for _ in range(MOST_RESTORED):
        empty(kafka)
        assert restore(kafka)[0].done.startswith("restored")
    empty(kafka)
    (finding,) = restore(kafka)
    assert finding.is_grave
    assert not is_lost(kafka)


def test_segments_behind_a_damage_are_not_copied_for_kafka_cuts_them_by_right(tmp_path: Path) -> None:
    place = log_directory(tmp_path / "data") / "__cluster_metadata-0"
    (place / SEGMENT).write_bytes(SNAPSHOT + b"garbage")
    (place / NEXT).write_bytes(SNAPSHOT)
    keep(tmp_path)
    (place / NEXT).unlink()
    (place / SEGMENT).write_bytes(SNAPSHOT)
    assert not is_lost(tmp_path)


def test_a_copy_that_would_take_the_room_of_the_start_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = log_directory(tmp_path / "data") / "__cluster_metadata-0"
    (place / SEGMENT).write_bytes(SNAPSHOT)
    monkeypatch.setattr(ballast, "room", lambda _: Room(16 * MIB, 1000 * MIB))
    with pytest.raises(OSError, match="no room") as caught:
        keep(tmp_path)
    assert caught.value.errno == errno.ENOSPC
