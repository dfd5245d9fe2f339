"""The frames on the serial line of an XBee module in API mode 1 or 2 (escaped).

0x7E, length (two bytes, big endian), as many bytes of frame data, and a checksum: data and checksum sum up to 0xFF.
In mode 2 every 0x7E, 0x7D, 0x11 and 0x13 behind the delimiter goes as 0x7D and the byte with bit 5 turned over, so
that 0x7E always begins a frame. Garbage costs the frame that it hits and none after it.
"""

from collections.abc import Callable

DELIMITER, ESCAPE = 0x7E, 0x7D
TURNED = 0x20
# The longest that a module sends is a frame of 256 bytes of payload; a longer length is garbage.
MOST_BYTES = 384
_ESCAPED = bytes([DELIMITER, ESCAPE, 0x11, 0x13])


class FrameReader:
    """Finds frames in what the line brings; `feed` takes any cut of it."""

    def __init__(self, *, is_escaped: bool) -> None:
        self.is_escaped = is_escaped
        self._buffer = bytearray()
        self.frames = 0
        self.garbage_bytes = 0
        self.checksum_errors = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frame data of every frame that is now complete: the type byte and what follows, without checksum."""
        self._buffer += chunk
        return self._found(self._next_escaped if self.is_escaped else self._next_plain)

    def idle(self) -> list[bytes]:
        """The line is silent in the middle of a frame: what began it was none; frames may stand behind it."""
        found: list[bytes] = []
        while self._buffer:
            self._skip(1)
            found += self.feed(b"")
        return found

    @property
    def is_waiting(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._buffer)

    def _found(self, next_frame: Callable[[], bytes | None]) -> list[bytes]:
        found: list[bytes] = []
        while self._align() and (taken := next_frame()) is not None:
            if taken:
                found.append(taken)
        self.frames += len(found)
        return found

    def _align(self) -> bool:
        """Drop what stands before the next delimiter; whether there is one."""
        at = self._buffer.find(DELIMITER)
        self._skip(len(self._buffer) if at < 0 else at)
        return at >= 0

    def _skip(self, count: int) -> None:
        self.garbage_bytes += count
        del self._buffer[:count]

    def _next_plain(self) -> bytes | None:
        """A frame taken from the start of the buffer; None = more bytes are needed, empty = garbage was dropped."""
        if len(self._buffer) < 3:
            return None
        length = self._buffer[1] << 8 | self._buffer[2]
        if not 0 < length <= MOST_BYTES:
            self._skip(1)
            return b""
        if len(self._buffer) < length + 4:
            return None
        data = bytes(self._buffer[3 : length + 4])
        if sum(data) & 0xFF != 0xFF:
            self.checksum_errors += 1
            self._skip(1)  # the delimiter may have been one byte of data: the true one stands behind it
            return b""
        del self._buffer[: length + 4]
        return data[:-1]

    def _next_escaped(self) -> bytes | None:
        """The same where a delimiter is never data."""
        end = self._buffer.find(DELIMITER, 1)
        is_cut = end >= 0
        raw = bytes(self._buffer[1 : end if is_cut else None])
        plain = _unescaped(raw)
        length = plain[0] << 8 | plain[1] if len(plain) >= 2 else 1
        is_whole = len(plain) >= length + 3
        if not is_whole and not is_cut and 0 < length <= MOST_BYTES:
            return None
        data = plain[2 : length + 3]
        is_good = is_whole and 0 < length <= MOST_BYTES and sum(data) & 0xFF == 0xFF
        if not is_good:
            self.checksum_errors += is_whole
            self._skip(len(raw) + 1)
            return b""
        self.garbage_bytes += len(plain) - length - 3
        del self._buffer[: len(raw) + 1]
        return data[:-1]


def frame(data: bytes, *, is_escaped: bool = False) -> bytes:
    """Frame data as it goes over the line."""
    whole = len(data).to_bytes(2, "big") + data + bytes([0xFF - sum(data) & 0xFF])
    if is_escaped:
        whole = b"".join(bytes([ESCAPE, byte ^ TURNED]) if byte in _ESCAPED else bytes([byte]) for byte in whole)
    return bytes([DELIMITER]) + whole


def _unescaped(raw: bytes) -> bytes:
    first, *rest = raw.split(bytes([ESCAPE]))
    # An empty part is an escape at the very end whose byte is still to come.
    return first + b"".join(bytes([part[0] ^ TURNED]) + part[1:] for part in rest if part)
