"""The distribution of one parameter in one window, as bytes that merge: exact while small, within 1 % when large.

The bytes: 0x00 and the values as doubles (up to `RAW_MOST`), or 0x01 and buckets whose bounds grow by 2 % (the idea of
DDSketch, Masson and others, VLDB 2019): a value is known by its bucket within 1 % of itself, zero exactly, and
merging adds counts, so order and grouping do not matter. Only finite values are taken.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from math import ceil, exp, log, nan
from operator import itemgetter

RAW_MOST = 16
QUANTILES = (50, 95, 99)
EMPTY = b"\0"

_RAW, _BUCKETS = 0, 1
_ERROR = 0.0099  # a little less than promised: `log` rounds
_LOG_GAMMA = log((1 + _ERROR) / (1 - _ERROR))
_PER_LOG = 1 / _LOG_GAMMA
_MIDDLE = 1 - _ERROR  # the point of a bucket that is equally far, relatively, from both its bounds
_MOST_EXPONENT = 709.7
_SHIFT = 40_000  # makes the keys of all positive doubles positive; negative values have the negated key
_HEAD = struct.Struct("<BccIi")
_WIDTHS = ((0xFF, b"B"), (0xFFFF, b"H"), (0xFFFFFFFF, b"I"), (2**64 - 1, b"Q"))


@lru_cache(maxsize=1024)
def _many(count: int, code: str) -> struct.Struct:
    return struct.Struct(f"<{count}{code}")


def _key(value: float) -> int:
    if value > 0:
        return ceil(log(value) * _PER_LOG) + _SHIFT
    return -ceil(log(-value) * _PER_LOG) - _SHIFT if value else 0


def _value(key: int) -> float:
    if not key:
        return 0.0
    size = exp(min((abs(key) - _SHIFT) * _LOG_GAMMA, _MOST_EXPONENT)) * _MIDDLE
    return size if key > 0 else -size


def _bucketed(ordered: Sequence[float]) -> Counter[int]:
    if ordered and ordered[0] > 0:
        per_log = _PER_LOG
        return Counter([ceil(log(value) * per_log) + _SHIFT for value in ordered])
    return Counter(map(_key, ordered))


class Sketch:
    """Values in rising order while they are all known, else buckets: key -> count."""

    __slots__ = ("buckets", "count", "ordered")

    def __init__(self, ordered: Sequence[float] | None, buckets: Counter[int] | None = None) -> None:
        self.ordered = ordered
        self.buckets = buckets
        self.count = len(ordered) if ordered is not None else sum((buckets or Counter()).values())

    @staticmethod
    def merged(parts: Iterable[bytes]) -> "Sketch":
        """All values of these packed sketches together. Raises ValueError on bytes that are none."""
        raw: list[bytes] = []
        packed: list[bytes] = []
        for part in parts:
            (packed if part[:1] == b"\1" else raw).append(part)
        try:
            joined = b"".join([part[1:] for part in raw])
            ordered = sorted(_many(len(joined) // 8, "d").unpack(joined))
            if not packed:
                return Sketch(ordered)
            total: Counter[int] = _bucketed(ordered)
            for part in packed:
                for key, count in _unpacked(part):
                    total[key] += count
        except (struct.error, IndexError) as error:
            msg = f"not a sketch: {error}"
            raise ValueError(msg) from error
        return Sketch(None, total)

    def pack(self) -> bytes:
        """The bytes for the record; equal values give equal bytes whatever way they were merged."""
        if self.ordered is not None and self.count <= RAW_MOST:
            return EMPTY + _many(self.count, "d").pack(*self.ordered)
        buckets = self.buckets if self.buckets is not None else _bucketed(self.ordered or ())
        items = sorted(buckets.items())
        keys = [key for key, _ in items]
        counts = [count for _, count in items]
        steps = [after - before for before, after in pairwise(keys)]
        step_code, count_code = _width(steps), _width(counts)
        head = _HEAD.pack(_BUCKETS, step_code, count_code, len(keys), keys[0])
        return b"".join((
            head,
            _many(len(steps), step_code.decode()).pack(*steps),
            _many(len(counts), count_code.decode()).pack(*counts),
        ))  # fmt: skip

    def quantiles(self, low: float, high: float) -> tuple[float, float, float]:
        """p50, p95 and p99 by nearest rank; NaN where there is no value. `low` and `high` are the known extremes."""
        if not self.count:
            return (nan, nan, nan)
        ranks = ranks_of(self.count)
        if self.ordered is not None:
            return (self.ordered[ranks[0]], self.ordered[ranks[1]], self.ordered[ranks[2]])
        items = sorted((self.buckets or {}).items())
        ends = list(accumulate(map(itemgetter(1), items)))
        found = [next(key for (key, _), end in zip(items, ends, strict=True) if rank < end) for rank in ranks]
        p50, p95, p99 = (min(max(_value(key), low), high) for key in found)
        return (p50, p95, p99)


@lru_cache(maxsize=4096)
def ranks_of(count: int) -> tuple[int, int, int]:
    """The places of p50, p95, p99 among `count` ordered values: nearest rank, at least one value."""
    p50, p95, p99 = ((count * percent + 99) // 100 - 1 for percent in QUANTILES)
    return (p50, p95, p99)


def packed_values(ordered: Sequence[float]) -> bytes:
    """The bytes of these values, finite and in rising order."""
    count = len(ordered)
    return EMPTY + _many(count, "d").pack(*ordered) if count <= RAW_MOST else Sketch(ordered).pack()


def count_of(packed: bytes) -> int:
    """How many values these bytes stand for."""
    return len(packed) >> 3 if packed[:1] != b"\1" else sum(count for _, count in _unpacked(packed))


def _width(numbers: Sequence[int]) -> bytes:
    most = max(numbers, default=0)
    return next(code for bound, code in _WIDTHS if most <= bound)


def _unpacked(packed: bytes) -> Iterable[tuple[int, int]]:
    _, step_code, count_code, length, first = _HEAD.unpack_from(packed)
    if length > len(packed) or step_code not in b"BHIQ" or count_code not in b"BHIQ":
        msg = "not a sketch: its length or widths are damaged"
        raise ValueError(msg)
    steps = _many(length - 1, step_code.decode())
    counts = _many(length, count_code.decode())
    keys = accumulate(chain((first,), steps.unpack_from(packed, _HEAD.size)))
    return zip(keys, counts.unpack_from(packed, _HEAD.size + steps.size), strict=True)
