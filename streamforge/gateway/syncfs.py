"""syncfs(2): everything written to one file system, on the disk."""

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


class FileSystem:
    """The file system of a directory, which is opened for reading only: the call asks for no right to write.

    One descriptor for as long as possible: the kernel tells each descriptor once of a write that failed since.
    """

    def __init__(self, directory: Path) -> None:
        self._handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def sync(self) -> None:
        """Return when all that was written before is on the disk, its cache emptied. OSError where it is not."""
        if _libc.syncfs(self._handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._handle)
