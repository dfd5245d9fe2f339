"""The log's size and segments, from its files."""

from pathlib import Path

from streamforge.gateway.overflow.log_use import LogUse
from streamforge.progress import Partition


def write(path: Path, size_bytes: int) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"x" * size_bytes)


def segment(folder: Path, first: int, size_bytes: int = 8192) -> None:
    for suffix, size in ((".log", size_bytes), (".index", 4096), (".timeindex", 4096)):
        write(folder / f"{first:020}{suffix}", size)


def test_a_log_that_is_not_there_takes_nothing(tmp_path: Path) -> None:
    assert LogUse(tmp_path / "data").look().size_bytes == 0


def test_segments_with_what_they_take(tmp_path: Path) -> None:
    folder = tmp_path / "telemetry.raw-3"
    segment(folder, 0)
    segment(folder, 700)
    write(folder / "leader-epoch-checkpoint", 10)
    (log,) = LogUse(tmp_path).look().partitions
    assert log.place == Partition("telemetry.raw", 3)
    assert [(one.first, one.size_bytes) for one in log.segments] == [(0, 16384), (700, 16384)]
    assert log.size_bytes == 2 * 16384 + 4096


def test_what_grows_and_what_goes_is_seen_at_the_next_look(tmp_path: Path) -> None:
    folder = tmp_path / "telemetry.raw-0"
    segment(folder, 0)
    segment(folder, 700)
    use = LogUse(tmp_path)
    for _ in range(3):
        before = use.look().size_bytes
    write(folder / f"{700:020}.log", 5 * 4096)
    assert use.look().size_bytes == before + 3 * 4096
    for path in folder.glob(f"{0:020}.*"):
        path.unlink()
    (log,) = use.look().partitions
    assert [one.first for one in log.segments] == [700]


def test_files_that_are_being_deleted_take_their_place_still(tmp_path: Path) -> None:
    folder = tmp_path / "telemetry.raw-0"
    segment(folder, 0)
    (folder / f"{0:020}.log").rename(folder / f"{0:020}.log.deleted")
    segment(folder, 700)
    (log,) = LogUse(tmp_path).look().partitions
    assert [one.first for one in log.segments] == [700]
    assert (log.size_bytes, log.going_bytes) == (2 * 16384, 8192)


def test_a_segment_without_a_record_is_known_as_empty(tmp_path: Path) -> None:
    segment(tmp_path / "telemetry.raw-0", 0, size_bytes=0)
    (log,) = LogUse(tmp_path).look().partitions
    assert log.segments[0].is_empty
