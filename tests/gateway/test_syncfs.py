"""syncfs(2) on a real directory."""

import errno
import os
from pathlib import Path

import pytest

from streamforge.gateway.syncfs import FileSystem


def test_a_directory_that_may_only_be_read_can_be_synced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("data")
    tmp_path.chmod(0o555)
    file_system = FileSystem(tmp_path)
    file_system.sync()
    file_system.close()


def test_a_failure_is_the_kernels_error(tmp_path: Path) -> None:
    file_system = FileSystem(tmp_path)
    os.close(file_system._handle)
    with pytest.raises(OSError, match="Bad file descriptor") as raised:
        file_system.sync()
    assert raised.value.errno == errno.EBADF


def test_only_a_directory_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        FileSystem(tmp_path / "file")
