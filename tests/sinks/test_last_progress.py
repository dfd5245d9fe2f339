"""The note that a sink leaves for when it, or its target, cannot be asked."""

from pathlib import Path

import pytest

from streamforge.progress import LAST_PROGRESS, Partition, Position, Progress
from streamforge.sinks import last_progress
from streamforge.sinks.last_progress import LastProgress


def at(offset: int) -> Progress:
    return Progress(positions={Partition("telemetry.clean"): Position(next_offset=offset)})


def test_the_next_run_knows_what_the_last_one_came_to(tmp_path: Path) -> None:
    LastProgress(tmp_path).note(at(5), is_last=True)
    assert LastProgress(tmp_path).read() == at(5)


def test_between_it_is_noted_every_half_minute_and_at_the_end_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("streamforge.sinks.last_progress.time.monotonic", lambda: now[0])
    note = LastProgress(tmp_path)
    note.note(at(1))
    note.note(at(2))
    assert note.read() == at(1)
    now[0] += last_progress.EVERY_SECONDS
    note.note(at(3))
    assert note.read() == at(3)
    note.note(at(4), is_last=True)
    assert note.read() == at(4)


def test_nothing_a_damaged_note_or_no_directory_is_nothing_known(tmp_path: Path) -> None:
    assert LastProgress(tmp_path).read() is None
    (tmp_path / LAST_PROGRESS).write_text('{"positions"')
    assert LastProgress(tmp_path).read() is None
    assert LastProgress(None).read() is None
    LastProgress(tmp_path / "absent").note(at(1), is_last=True)
    LastProgress(None).note(at(1), is_last=True)
