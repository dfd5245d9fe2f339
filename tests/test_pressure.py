"""The file by which the disk's controller makes producers wait."""

import time
from pathlib import Path

import pytest

from streamforge import pressure
from streamforge.pressure import FILE, STALE_SECONDS, Gate, Pressure


def told(*, is_gated: bool = True, age_seconds: float = 0.0) -> Pressure:
    at = time.monotonic_ns() - round(age_seconds * 1e9)
    return Pressure(tier=95, is_gated=is_gated, used_percent=96.2, monotonic_ns=at)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    pressure.write(tmp_path, told())
    assert (pressure.read(tmp_path) or told(is_gated=False)).is_gated
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_gate_that_nobody_has_made_is_open(tmp_path: Path) -> None:
    assert Gate(tmp_path).reason == ""


def test_a_closed_gate_says_why(tmp_path: Path) -> None:
    pressure.write(tmp_path, told())
    assert Gate(tmp_path).reason == "the disk is 96 % full"


def test_a_gate_that_nobody_keeps_fresh_is_open(tmp_path: Path) -> None:
    pressure.write(tmp_path, told(age_seconds=STALE_SECONDS - 1))
    assert Gate(tmp_path).reason
    pressure.write(tmp_path, told(age_seconds=STALE_SECONDS + 1))
    assert Gate(tmp_path).reason == ""


def test_the_gate_follows_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.0)
    gate = Gate(tmp_path)
    for is_gated in (True, False, True):
        pressure.write(tmp_path, told(is_gated=is_gated))
        assert bool(gate.reason) is is_gated
    (tmp_path / FILE).unlink()
    assert gate.reason == ""


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"tier": 95, "is_gated": true}', "null"])
def test_a_damaged_file_closes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert Gate(tmp_path).reason == ""
