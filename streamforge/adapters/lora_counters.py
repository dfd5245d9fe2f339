"""The frame counters of LoRaWAN devices on disk: what was accepted once is refused after a restart, too.

One line of fixed width a device, written over in place before the readings go on: that outlives a killed process. It is
brought to the disk every few seconds, so a power cut can bring back the last of them, no more.
"""

import os
import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from streamforge.durable import write_durably

FILE = "frame_counters"
SYNC_SECONDS = 5.0
_LINE_BYTES = len(f"{'':16} {0:10} {0:08x}\n")


def counter_key(dev_addr: int, nwk_skey: bytes) -> str:
    """What a counter belongs to: the address under this key; a device with new keys begins anew. No key is shown."""
    return f"{dev_addr:08x}{sha256(nwk_skey).hexdigest()[:8]}"


class FrameCounters:
    """The file of one unit. Lines that were hit in the middle of a write count as never written."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._counters = dict(_read(self._path))
        self._handle = -1
        self._places: dict[str, int] = {}
        self._is_dirty = False

    def get(self, key: str) -> int:
        """The counter of the last accepted frame, -1 = none."""
        return self._counters.get(key, -1)

    def open(self, keys: Iterable[str]) -> None:
        """Make room for these keys. Those of devices that are gone are kept. Raises OSError."""
        self._counters = {**dict.fromkeys(keys, -1), **self._counters}
        self._places = {key: place * _LINE_BYTES for place, key in enumerate(self._counters)}
        write_durably(self._path, b"".join(_line(key, counter) for key, counter in self._counters.items()))
        self._handle = os.open(self._path, os.O_WRONLY)

    def put(self, key: str, counter: int) -> None:
        """Remember a counter from now on. Raises OSError."""
        self._counters[key] = counter
        os.pwrite(self._handle, _line(key, counter), self._places[key])
        self._is_dirty = True

    def sync(self) -> None:
        """Bring what is new to the disk. Raises OSError."""
        if self._is_dirty:
            self._is_dirty = False
            os.fdatasync(self._handle)

    def close(self) -> None:
        """Bring it to the disk and let go; may be called twice. Raises OSError."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.fdatasync(handle)
            os.close(handle)


def _line(key: str, counter: int) -> bytes:
    text = f"{key:16} {counter:10}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


def _read(path: Path) -> list[tuple[str, int]]:
    try:
        lines = path.read_text("ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = [
        (line[:16].strip(), line[17:27].strip())
        for line in lines
        if f"{zlib.crc32(line[:27].encode()):08x}" == line[28:]
    ]
    return [(key, int(counter)) for key, counter in found]
