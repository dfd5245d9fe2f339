"""Finds what is intact beyond damage in the log, with a bounded number of fetches.

A broker answers a fetch with the bytes of a segment from the batch of the wanted offset on, damage included; a client
stops there, or silently goes on in the next segment. Here the same bytes are searched for the next batch whose CRC is
right. Where damage hides the way to what follows (the broker looks from an index entry onwards, one every 4 KiB), later
offsets are tried until one answers, and the earliest of those is found by halving.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

from streamforge.codec.batch_order import heads_of
from streamforge.codec.log_batches import Batch
from streamforge.codec.segment_bytes import Content
from streamforge.codec.segment_walk import Walk

Fetch = Callable[[int, int], bytes]
"""offset, most bytes -> the bytes of one segment from that offset's batch on; empty where the broker finds none."""

SIZES_BYTES = (1024 * 1024, 4 * 1024 * 1024, 17 * 1024 * 1024)
"""How much to ask for; the last is a whole segment."""
PROBE_BYTES = 128 * 1024
_EVEN_PROBES = 32
_BACK = tuple(1 << power for power in range(11))


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An intact batch, and whether damaged bytes stood directly before it."""

    batch: Batch
    is_after_damage: bool


def intact(fetch: Fetch, expected: int, start: int, end: int, *, is_boundary: bool = False) -> list[Piece]:
    """The intact batches that hold offsets from `expected` on, in order, as far as one answer shows them without a gap.

    The first is the next one that the broker can be made to give. Empty: there is none up to `end`. The log begins at
    `start`. `is_boundary`: the batch before is known to end at `expected`. Raises what `fetch` raises.
    """
    found = _upto_gap(_found(fetch, expected, start, end, is_boundary=is_boundary))
    if not found or found[0].batch.base_offset <= expected:
        return found
    return _upto_gap(_confirmed(fetch, expected, end, found))


def _upto_gap(found: list[Piece]) -> list[Piece]:
    """Those that follow each other; what comes after a gap is looked at when its turn comes."""
    for index, (one, after) in enumerate(pairwise(found), 1):
        if after.batch.base_offset != one.batch.last_offset + 1:
            return found[:index]
    return found


def _confirmed(fetch: Fetch, expected: int, end: int, found: list[Piece]) -> list[Piece]:
    """What the log gives at the first one's offsets: another batch, where its base offset is what was damaged.

    No CRC covers the base offset, and at the end of a segment no neighbour contradicts it. Two that follow each other
    prove themselves.
    """
    first = found[0].batch

    def is_other(offset: int) -> bool:
        """Whether the log has something else at that offset than the first one, whole or not."""
        raw = _enough(fetch, offset)
        head = next(heads_of(raw), None)
        pieces, _ = _pieces(raw, offset, end)
        is_there = any(piece.batch.header == first.header for piece in pieces)
        return head is not None and head.base_offset <= offset and not is_there

    claimed = [first.base_offset] if len(found) > 1 else [first.base_offset, min(first.last_offset, end - 1)]
    high = next((offset for offset in claimed if is_other(offset)), None)
    if high is None:
        return found
    low = expected
    while high - low > 1:  # where the next segment begins
        middle = (low + high) // 2
        low, high = (low, middle) if is_other(middle) else (middle, high)
    again = _pieces(_enough(fetch, high), high, end)[0] or _probed(fetch, high, end, [], is_boundary=False)
    return [replace(again[0], is_after_damage=True), *again[1:]] if again else []


def _enough(fetch: Fetch, offset: int) -> bytes:
    """The bytes from there on: more where the first batch alone takes all that was asked for."""
    raw = fetch(offset, PROBE_BYTES)
    return raw if len(raw) < PROBE_BYTES else fetch(offset, SIZES_BYTES[0])


def _found(fetch: Fetch, expected: int, start: int, end: int, *, is_boundary: bool) -> list[Piece]:
    found: list[Piece] = []
    for size in SIZES_BYTES:
        raw = _with_the_one_before(fetch, expected, start, size)
        found, is_known = _pieces(raw, expected, end, is_boundary=is_boundary)
        if found or len(raw) < size:
            break
    is_all_seen = is_known and bool(found)
    if is_all_seen or (found and found[0].batch.base_offset <= expected):
        return found
    return _probed(fetch, expected, end, found, is_boundary=is_boundary or is_known)


def _with_the_one_before(fetch: Fetch, expected: int, start: int, size_bytes: int) -> bytes:
    """The bytes from a batch before `expected` on: of the batch that holds it the one before tells where it begins.

    A broker finds an offset by the base offset of the batch after it, and fails where that batch is damaged; offsets
    some way back lead past that.
    """
    raw = b""
    for back in _BACK:
        raw = fetch(max(start, expected - back), size_bytes)
        if raw or expected - back <= start:
            break
    first = next(heads_of(raw), None)
    if first is None or not start < first.base_offset < expected < first.next_offset:
        return raw
    return fetch(first.base_offset - 1, size_bytes) or raw


def _probed(fetch: Fetch, expected: int, end: int, best: list[Piece], *, is_boundary: bool) -> list[Piece]:
    """The earliest that any later offset leads to, where the bytes before it were not seen without a gap."""

    def at(offset: int) -> list[Piece]:
        """What one answer from there on shows, as large as it must be: damaged batches may stand in front."""
        for size in (PROBE_BYTES, *SIZES_BYTES):
            raw = fetch(offset, size)
            found, _ = _pieces(raw, expected, end, is_boundary=is_boundary)
            if found or len(raw) < size:
                return found
        return []

    best = _earlier(best, at(expected))
    low, before = expected, -1
    while before != _base_of(best, end):  # nearer, in smaller steps: damage hides even what lies before what is found
        before = _base_of(best, end)
        for offset in _offsets(expected, before):
            if offset >= _base_of(best, end):
                break
            best = _earlier(best, at(offset))
            if _base_of(best, end) > offset:
                low = offset
    while _base_of(best, end) - low > 1:
        middle = (low + _base_of(best, end)) // 2
        best = _earlier(best, at(middle))
        if _base_of(best, end) > middle:
            low = middle
    return best


def _earlier(best: list[Piece], found: list[Piece]) -> list[Piece]:
    if not best or (found and found[0].batch.base_offset < best[0].batch.base_offset):
        return found
    return best


def _base_of(found: list[Piece], end: int) -> int:
    return found[0].batch.base_offset if found else end


def _offsets(expected: int, upto: int) -> list[int]:
    """Where to look: close by at first, then in even steps."""
    near = [expected + (1 << power) for power in range((upto - expected).bit_length())]
    even = range(expected, upto, max(1, (upto - expected) // _EVEN_PROBES))
    return sorted({*near, *even, upto - 1} - {expected})


def _pieces(raw: bytes, expected: int, end: int, *, is_boundary: bool = False) -> tuple[list[Piece], bool]:
    """The intact batches from `expected` on, and whether all bytes from the batch before it were there.

    What is cut off at the end is left out, and with it the batch before, of which nobody can say that its base offset
    is right (no CRC covers it; its neighbours do).
    """
    base = _base(raw, expected, is_boundary=is_boundary)
    walk = Walk(Path("answer"), Content(data=bytearray(raw), size_bytes=len(raw)), base, end)
    found: list[Piece] = []
    is_after_damage = is_cut = is_known = False
    for item in walk.run():
        is_cut = not isinstance(item, Batch)
        if not isinstance(item, Batch):
            is_after_damage |= item.length_bytes > 0
        elif item.last_offset >= expected:
            found.append(Piece(batch=item, is_after_damage=is_after_damage))
            is_after_damage = False
        else:
            is_known |= item.last_offset == expected - 1
            is_after_damage = False
    if is_cut and len(found) > 1:
        found.pop()
    return found, is_known


def _base(raw: bytes, expected: int, *, is_boundary: bool) -> int:
    """The offset to expect first: the answer begins with the batch before, in the one looked for, or in damage.

    Two batches after it that follow each other know better than its own base offset, which no CRC covers.
    """
    heads = list(islice(heads_of(raw), 3))
    if not heads:
        return expected
    first, *after = heads
    base = first.base_offset
    if len(after) == 2 and after[1].base_offset == after[0].next_offset:
        base = after[0].base_offset - (first.next_offset - first.base_offset)
    holds_more = base + first.next_offset - first.base_offset > expected
    return expected if base < 0 or base > expected or (is_boundary and holds_more) else base
