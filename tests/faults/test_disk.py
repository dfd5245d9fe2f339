"""The disk itself: a cut keeps what was flushed, loses what was not, and leaves nothing behind on this machine."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disk import Disk, pool
from tests.faults.mounts import BASE, PREFIX, mounts_below, obstacle, remove_leftovers, run, wait_until_free, workspace

libc = ctypes.CDLL(None, use_errno=True)
PAGES, PAGE_BYTES = 64, 4096
WRITE_AND_WAIT = 7  # sync_file_range(2): the data goes to the device, which is not told to flush
# A process that is killed while its disk is mounted.
KILLED = """
import os, signal
from tests.faults.disk import Disk, pool
from tests.faults.mounts import workspace
with workspace() as directory, pool(directory) as images, Disk(images, directory / "disk") as disk:
    disk.make()
    print(directory, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=[False, True], ids=["without a cache", "volatile cache"])
def has_cache(request: pytest.FixtureRequest) -> bool:
    """Whether the disk has a cache that a cut loses."""
    return bool(request.param)


@pytest.fixture
def disk(has_cache: bool) -> Iterator[Disk]:
    """An empty disk, mounted."""
    if reason := obstacle():
        pytest.skip(f"no power can be cut here: {reason}")
    with (
        workspace() as directory,
        pool(directory) as images,
        Disk(images, directory / "disk", has_cache=has_cache) as made,
    ):
        made.make()
        yield made


def write(path: Path, *, is_synced: bool) -> None:
    """Write a file, and with `is_synced` wait until the disk has it."""
    with path.open("wb") as file:
        file.write(b"reading" * 10_000)
        file.flush()
        if is_synced:
            os.fsync(file.fileno())


def test_a_cut_keeps_what_was_synced_and_loses_what_was_not(disk: Disk) -> None:
    write(disk.point / "synced", is_synced=True)
    write(disk.point / "not", is_synced=False)
    cut = disk.cut("cut")
    disk.plug_in(cut.file)
    assert (disk.point / "synced").read_bytes() == b"reading" * 10_000
    assert not (disk.point / "not").exists() or (disk.point / "not").stat().st_size == 0


def test_the_disk_goes_on_after_a_cut_and_the_copy_does_not_change(disk: Disk) -> None:
    cut = disk.cut("cut")
    write(disk.point / "later", is_synced=True)
    assert (disk.point / "later").exists()
    disk.plug_in(cut.file)
    assert not (disk.point / "later").exists()


def test_only_a_volatile_cache_loses_what_the_device_took_and_was_not_told_to_flush(
    disk: Disk, has_cache: bool
) -> None:
    file = disk.point / "file"
    write(file, is_synced=True)
    with file.open("r+b") as again:
        again.write(b"changed")
        again.flush()
        assert libc.sync_file_range(again.fileno(), ctypes.c_int64(0), ctypes.c_int64(0), WRITE_AND_WAIT) == 0
    cut = disk.cut("cut")
    disk.plug_in(cut.file)
    assert file.read_bytes()[:7] == (b"reading" if has_cache else b"changed")


def test_the_device_is_told_to_flush(disk: Disk) -> None:
    """Or the file system would send no flush, and a sync would not be one."""
    assert disk.cache() == "write back"
    before = disk.flushes()
    write(disk.point / "synced", is_synced=True)
    assert disk.flushes() > before


def test_a_file_system_that_flushes_nothing_loses_what_it_synced_to_a_volatile_cache(
    disk: Disk, has_cache: bool
) -> None:
    """The control experiment: this disk does tell a sync that reached the device from one that stayed in its cache."""
    run("mount", "-o", "remount,barrier=0", disk.point)
    write(disk.point / "synced", is_synced=True)
    cut = disk.cut("cut")
    disk.plug_in(cut.file)
    assert (disk.point / "synced").exists() is not has_cache


def test_an_image_that_another_mount_namespace_still_has_is_not_mounted_again(disk: Disk) -> None:
    """It would be the old file system, and a cut would be judged by the one before it."""
    cut = disk.cut("cut")
    write(disk.point / "later", is_synced=True)
    with subprocess.Popen(["unshare", "--mount", "sleep", "1"]):
        time.sleep(0.3)
        disk.plug_in(cut.file)
    assert not (disk.point / "later").exists()


@pytest.mark.skipif(os.getpid() == 1, reason="there is nobody else here")
def test_nobody_else_sees_our_mounts(disk: Disk) -> None:
    assert str(disk.point) not in Path("/proc/1/mountinfo").read_text()


def test_what_a_killed_run_left_is_taken_away(disk: Disk) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert left.name.startswith(PREFIX), killed.stderr
    remove_leftovers()
    wait_until_free(left / "pool.img")
    assert not left.exists()


def test_a_run_that_goes_on_beside_it_is_left_alone(disk: Disk) -> None:
    with workspace() as other:
        assert other in BASE.glob(f"{PREFIX}*")
        assert other not in remove_leftovers()
        assert other.exists()
        assert mounts_below(disk.point) == [disk.point]


def test_a_cache_that_is_written_in_part_gives_some_of_what_was_not_flushed_and_all_that_was(disk: Disk) -> None:
    if disk.cache_point is None:
        pytest.skip("this disk has no cache")
    file = disk.point / "file"
    with file.open("wb") as made:
        made.write(bytes(PAGES * PAGE_BYTES))
        made.flush()
        os.fsync(made.fileno())
    write(disk.point / "synced", is_synced=True)
    with file.open("r+b") as again:
        again.write(b"\1" * PAGES * PAGE_BYTES)
        again.flush()
        assert libc.sync_file_range(again.fileno(), ctypes.c_int64(0), ctypes.c_int64(0), WRITE_AND_WAIT) == 0
    cut = disk.cut_with_a_part("cut", "4711")
    seen = []
    for _ in range(2):
        disk.plug_in(cut.file, cut.late)
        assert (disk.point / "synced").read_bytes() == b"reading" * 10_000
        seen.append(file.read_bytes())
    assert seen[0] == seen[1], "the seed says what was written"
    assert 0 < seen[0].count(1) < len(seen[0])
