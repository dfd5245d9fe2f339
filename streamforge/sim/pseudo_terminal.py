"""The far end of a serial line that a machine of the simulated plant has: a pseudo terminal under one name."""

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_CHUNK_BYTES = 4096


class PseudoTerminal:
    """Opened by the path, as a converter's port would be; `hear` gets what is written to it."""

    def __init__(self, path: Path, hear: Callable[[bytes], None]) -> None:
        """Raises OSError where the name cannot be made."""
        self._path, self._hear = path, hear
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        os.fchmod(self._slave, 0o666)  # whoever reads the plant runs as another user
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self._slave))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._read)

    def close(self) -> None:
        """The converter is pulled."""
        self._loop.remove_reader(self._master)
        self._path.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = -1

    def send(self, data: bytes) -> None:
        """To whoever has it open; what does not fit while nobody reads is lost, as on a wire."""
        if self._master >= 0:
            with suppress(BlockingIOError):
                os.write(self._master, data)

    def _read(self) -> None:
        self._hear(os.read(self._master, _CHUNK_BYTES))
