"""How far the gateway's clock can be trusted."""

from pathlib import Path

from streamforge.clock import EARLIEST_US, ClockQuality, now_us
from streamforge.model import TimeQuality


def test_a_clock_that_timesyncd_has_set_is_synced(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    mark.touch()
    assert ClockQuality(mark).now(now_us()) is TimeQuality.SYNCED


def test_a_clock_that_was_once_set_is_holdover(tmp_path: Path) -> None:
    assert ClockQuality(tmp_path / "absent").now(EARLIEST_US + 1) is TimeQuality.HOLDOVER


def test_a_clock_in_1970_is_unset(tmp_path: Path) -> None:
    assert ClockQuality(tmp_path / "absent").now(1_000_000) is TimeQuality.UNSET


def test_a_clock_that_is_set_to_1970_is_unset_at_once_whatever_was_known_before(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    mark.touch()
    quality = ClockQuality(mark)
    assert [quality.now(at) for at in (now_us(), 1_000_000, now_us())] == [
        TimeQuality.SYNCED,
        TimeQuality.UNSET,
        TimeQuality.SYNCED,
    ]
