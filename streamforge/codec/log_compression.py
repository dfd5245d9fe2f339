"""What a batch on the disk was compressed with, undone within a bound.

Source: Kafka documentation, "Record Batch", attributes bits 0 to 2. LZ4 is the standard frame format.
"""

import gzip
import io
import zlib
from enum import IntEnum
from typing import Protocol

from streamforge.errors import Rejected

MOST_BYTES = 128 * 1024 * 1024
"""More than any batch of this gateway takes: a broker accepts 2 MiB, and producers fill batches before compression."""
_STEP_BYTES = 256 * 1024


class Compression(IntEnum):
    """The codes of the format."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def decompress(code: int, data: bytes) -> bytes:
    """The records' bytes. Raises Rejected for damaged data, another codec, or more than `MOST_BYTES`."""
    if code == Compression.NONE:
        return data
    try:
        if code == Compression.LZ4:
            from lz4.frame import LZ4FrameFile

            return _all(LZ4FrameFile(io.BytesIO(data)))
        if code == Compression.GZIP:
            return _all(gzip.GzipFile(fileobj=io.BytesIO(data)))
    except (OSError, EOFError, RuntimeError, ValueError, zlib.error) as error:
        raise Rejected((0,), f"not {Compression(code).name.lower()}: {error}") from error
    known = {one.value: one.name.lower() for one in Compression}
    name = known.get(code, f"code {code}")
    raise Rejected((0,), f"compressed with {name}, which this gateway never writes; lz4, gzip and none can be read")


def _all(stream: _Stream) -> bytes:
    """Piece by piece, for what the data says of its own length is not to be trusted."""
    pieces: list[bytes] = []
    total_bytes = 0
    while piece := stream.read(_STEP_BYTES):
        pieces.append(piece)
        total_bytes += len(piece)
        if total_bytes > MOST_BYTES:
            raise Rejected((0,), f"more than {MOST_BYTES} bytes when decompressed")
    return b"".join(pieces)
