"""Bounds what a few bytes of a server can make the library do."""

from typing import Any

from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives, Primitives1
from asyncua.ua.uaerrors import UaError

MOST_NULLS = 10_000


class BoundedNulls:
    """Arrays of nulls, whose elements take no bytes: one that says to have two thousand million takes all memory."""

    @staticmethod
    def pack(_value: Any) -> bytes:
        """One null on the wire."""
        return b""

    @staticmethod
    def unpack(_data: Buffer) -> None:
        """One null."""

    @staticmethod
    def pack_array(values: list[None] | None) -> bytes:
        """Their number alone."""
        packed: bytes = Primitives.Int32.pack(-1 if values is None else len(values))
        return packed

    @staticmethod
    def unpack_array(_data: Buffer, length: int) -> list[None]:
        """So many nulls. Raises UaError where nobody can mean that many."""
        if length > MOST_NULLS:
            msg = f"an array of {length} nulls"
            raise UaError(msg)
        return [None] * length


def bound_the_library() -> None:
    """Have the library read arrays of nulls in this way, as it reads those of numbers in theirs."""
    Primitives1.Null = BoundedNulls
