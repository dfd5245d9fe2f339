"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from streamforge.durable import PUBLIC_MODE, write_durably


def test_what_is_written_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_durably(path, b"old")
    write_durably(path, b"new", mode=PUBLIC_MODE)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == PUBLIC_MODE
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_a_power_cut_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".note.json.part").write_bytes(b"ha")
    write_durably(tmp_path / "note.json", b"whole")
    assert (tmp_path / "note.json").read_bytes() == b"whole"


def test_where_the_disk_does_not_take_it_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "no space")

    write_durably(tmp_path / "note.json", b"old")
    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="no space"):
        write_durably(tmp_path / "note.json", b"new")
    assert (tmp_path / "note.json").read_bytes() == b"old"
