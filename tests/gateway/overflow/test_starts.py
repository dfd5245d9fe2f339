"""What is gone without having been told, by what was known before."""

from pathlib import Path

from streamforge.gateway.overflow.log_use import PartitionLog, Segment
from streamforge.gateway.overflow.starts import FILE, Starts
from streamforge.progress import Partition

CLEAN = Partition("telemetry.clean")


def log(first: int, newest: int = 90) -> list[PartitionLog]:
    segments = tuple(Segment(first=at, size_bytes=1, written_ns=0) for at in (first, newest))
    return [PartitionLog(place=CLEAN, segments=segments, size_bytes=2)]


def settled(state: Path, first: int = 0) -> Starts:
    starts = Starts(state)
    starts.settle(log(first))
    return starts


def test_at_the_first_look_nothing_is_known_to_be_gone(tmp_path: Path) -> None:
    assert Starts(tmp_path).gone(log(40), {CLEAN: {"sink": 0}}) == ()


def test_what_a_reader_lacked_is_gone_and_what_everybody_had_is_not_told(tmp_path: Path) -> None:
    starts = settled(tmp_path)
    (cut,) = starts.gone(log(40), {CLEAN: {"ahead": 40, "behind": 30}})
    assert (cut.gone_from, cut.end, cut.held) == (0, 40, {"ahead": 40, "behind": 30})
    assert starts.gone(log(40), {CLEAN: {"ahead": 40, "behind": 40}}) == ()
    assert starts.gone(log(40), {}) == ()


def test_it_is_known_after_a_restart(tmp_path: Path) -> None:
    settled(tmp_path, first=10)
    (cut,) = Starts(tmp_path).gone(log(40), {CLEAN: {"sink": 0}})
    assert (cut.gone_from, cut.end) == (10, 40)


def test_what_was_told_is_not_told_again(tmp_path: Path) -> None:
    starts = settled(tmp_path)
    starts.evicted({CLEAN: 40})
    assert starts.gone(log(40), {CLEAN: {"sink": 0}}) == ()
    assert starts.gone(log(0), {CLEAN: {"sink": 0}}) == (), "its files are still there"


def test_a_log_that_begins_anew_has_lost_nothing(tmp_path: Path) -> None:
    starts = settled(tmp_path, first=50)
    starts.settle(log(0, newest=10))
    (cut,) = Starts(tmp_path).gone(log(20), {CLEAN: {"sink": 0}})
    assert cut.gone_from == 0


def test_a_damaged_note_says_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[[1]]")
    assert Starts(tmp_path).gone(log(40), {CLEAN: {"sink": 0}}) == ()
