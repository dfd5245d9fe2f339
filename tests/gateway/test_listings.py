"""Folders are read anew where they changed, and not where they did not."""

import os
from pathlib import Path

from streamforge.gateway.listings import Listings


class Counting:
    """Reads names and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, path: Path) -> tuple[str, ...]:
        self.times += 1
        return tuple(sorted(one.name for one in path.iterdir()))


def test_a_folder_that_does_not_change_is_read_twice_and_then_no_more(tmp_path: Path) -> None:
    read = Counting()
    listings = Listings(read)
    for _ in range(5):
        assert listings.look(tmp_path).content == ()
    assert read.times == 2


def test_an_entry_that_came_within_one_tick_of_the_clock_is_found_at_the_next_look(tmp_path: Path) -> None:
    listings = Listings(Counting())
    seen = tmp_path.stat()
    listings.look(tmp_path)
    (tmp_path / "late").touch()
    os.utime(tmp_path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert listings.look(tmp_path).content == ("late",)


def test_a_change_is_seen(tmp_path: Path) -> None:
    listings = Listings(Counting())
    for _ in range(3):
        listings.look(tmp_path)
    (tmp_path / "new").touch()
    os.utime(tmp_path, ns=(1, 1))
    assert listings.look(tmp_path).content == ("new",)


def test_what_is_forgotten_is_read_anew(tmp_path: Path) -> None:
    read = Counting()
    listings = Listings(read)
    for _ in range(3):
        listings.look(tmp_path)
    listings.forget_all_but([tmp_path])
    listings.look(tmp_path)
    assert read.times == 2
    listings.forget_all_but([])
    listings.look(tmp_path)
    assert read.times == 3
