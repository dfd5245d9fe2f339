"""A wall clock that is set while processes run: an offset before CLOCK_REALTIME, and before no other clock.

The library is compiled by the host's compiler once, into the cache. libfaketime does the same and more, but reads its
offset from a file at every call, and a JVM under it takes half a minute to start.
"""

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.broker import CACHE

SOURCE = Path(__file__).with_name("clock_shim.c")
VARIABLES = ("LD_PRELOAD", "STREAMFORGE_CLOCK_OFFSET")


def obstacle() -> str:
    """Why no clock can be set here; "" where it can."""
    return "" if shutil.which("cc") else "there is no C compiler (package gcc)"


def library() -> Path:
    """The compiled shim."""
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    built = CACHE.parent / "clock-shim" / f"{name}.so"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        draft = built.with_suffix(f".{os.getpid()}")
        command: list[str | Path] = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", draft, SOURCE, "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        draft.replace(built)
    return built.resolve()


class WallClock:
    """The wall clock of the processes under it: the machine's and an offset."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, offset_ns: int) -> None:
        """Set it, for all processes at once."""
        self.offset_ns = offset_ns
        # In one write, and into the file that they have mapped.
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, struct.pack("=q", offset_ns), 0)
        finally:
            os.close(handle)

    def step(self, nanoseconds: int) -> None:
        """Set it forward or back."""
        self.set(self.offset_ns + nanoseconds)


@contextmanager
def settable(directory: Path) -> Iterator[WallClock]:
    """While inside, every process that is started has this wall clock; this one keeps the machine's."""
    clock = WallClock(directory / "clock-offset")
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(zip(VARIABLES, (str(library()), str(clock.file)), strict=True))
    try:
        yield clock
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
