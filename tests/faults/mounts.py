"""File systems in image files: made, mounted, and taken away again whatever happens."""

import ctypes
import fcntl
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

# On a disk: the images are sparse, but a /tmp in memory may be too small for them.
BASE = Path("/var/tmp")
PREFIX = "streamforge-faults-"
TOOLS = ("mkfs.btrfs", "mkfs.ext4", "mount", "tune2fs", "umount")
LOOP_CONTROL = Path("/dev/loop-control")
LOOP_MAJOR = 7
_LOOP_CTL_GET_FREE = 0x4C82  # linux/loop.h
_CLONE_NEWNS = 0x20000  # linux/sched.h
UNMOUNT_SECONDS = 60.0
_libc = ctypes.CDLL(None, use_errno=True)


def obstacle() -> str:
    """Why this machine cannot mount disks of our own, in words; empty where it can."""
    if os.geteuid() != 0:
        return "mounting loop devices needs root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (packages btrfs-progs, e2fsprogs, mount)"
    if not LOOP_CONTROL.exists():
        return f"no loop devices here ({LOOP_CONTROL} is not there)"
    try:
        with workspace() as directory, image(directory / "trial.img", "btrfs", 128 * 1024**2, directory / "trial"):
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no loop mounts of btrfs here: {getattr(error, 'stderr', b'') or error}"


@contextmanager
def workspace() -> Iterator[Path]:
    """A directory for image files; gone at the end. What killed runs left of theirs goes first."""
    _leave_the_common_namespace()
    remove_leftovers()
    with ExitStack() as undo:
        with _locked(BASE, fcntl.LOCK_EX):  # nobody may take the new one for a leftover
            directory = Path(mkdtemp(prefix=PREFIX, dir=BASE))
            undo.callback(_remove, directory)
            undo.enter_context(_held(directory))
        yield directory


@cache
def _leave_the_common_namespace() -> None:
    """Have a mount namespace of our own, for the life of this process.

    A container that a neighbour starts takes a copy of every mount that it sees along and keeps it; ours it does not
    see. And when this process is killed, the kernel unmounts.
    """
    if _libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")


def remove_leftovers() -> list[Path]:
    """Remove the workspaces that nobody holds any more: their processes were killed."""
    removed = []
    with _locked(BASE, fcntl.LOCK_EX):
        for directory in sorted(BASE.glob(f"{PREFIX}*")):
            with suppress(BlockingIOError), _held(directory):
                _remove(directory)
                removed.append(directory)
    return removed


def _remove(directory: Path) -> None:
    for point in mounts_below(directory):
        unmount(point)
    shutil.rmtree(directory)


def _held(directory: Path) -> AbstractContextManager[None]:
    """Hold the lock that says that a workspace is in use; BlockingIOError where another process does."""
    return _locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    """Hold a lock of flock(2) on a directory; the kernel lets it go with the process."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def mounts_below(directory: Path) -> list[Path]:
    """What is mounted below a directory, the innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(point) for point in reversed(points) if Path(point).is_relative_to(directory)]


@contextmanager
def image(file: Path, kind: str, size_bytes: int, point: Path) -> Iterator[Path]:
    """A new file system of that kind (`btrfs`, `ext4`) in a sparse file, mounted at `point`."""
    with file.open("xb") as made:
        made.truncate(size_bytes)
    run(f"mkfs.{kind}", "-q", *(("-E", "lazy_itable_init=0,lazy_journal_init=0") if kind == "ext4" else ()), file)
    with mounted(file, kind, point):
        yield point


@contextmanager
def mounted(file: Path, kind: str, point: Path) -> Iterator[Path]:
    """The file system in `file`, mounted at `point`; its journal is replayed as after a power cut."""
    point.mkdir(exist_ok=True)
    _provide_loop_node()
    with ExitStack() as undo:
        run("mount", "-t", kind, "-o", "loop,noatime", file, point)
        undo.callback(wait_until_free, file)
        undo.callback(unmount, point)
        yield point


def unmount(point: Path) -> None:
    """Unmount; waits for a process that is just ending."""
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while True:
        try:
            return run("umount", point)
        except subprocess.CalledProcessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def wait_until_free(file: Path) -> None:
    """Wait until no loop device has the image any more; TimeoutError when one keeps it.

    The file system lives on in the namespace of any program that took a copy of our mounts along. Mounting the same
    file again would then silently give that old one, whatever the file holds by now.
    """
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while any(_backing(device) == str(file) for device in Path("/sys/block").glob("loop*")):
        if time.monotonic() > deadline:
            msg = f"{file} is unmounted, and a loop device still has it: another mount namespace?"
            raise TimeoutError(msg)
        time.sleep(0.05)


def _backing(device: Path) -> str:
    try:
        return (device / "loop" / "backing_file").read_text().strip()
    except OSError:
        return ""


def _provide_loop_node() -> None:
    """Have the node of the next free loop device: a container's /dev may lack it."""
    descriptor = os.open(LOOP_CONTROL, os.O_RDWR)
    try:
        number = fcntl.ioctl(descriptor, _LOOP_CTL_GET_FREE)
    finally:
        os.close(descriptor)
    node = Path(f"/dev/loop{number}")
    if not node.exists():
        os.mknod(node, 0o660 | stat.S_IFBLK, os.makedev(LOOP_MAJOR, number))


def run(*words: str | Path) -> None:
    """Run one tool; CalledProcessError, with what it said, when it fails."""
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
