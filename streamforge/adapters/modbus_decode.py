"""From the bytes of one answer to readings, by a plan compiled once per request.

A plan is a few passes, each one `struct.unpack_from`: points of one byte order whose fields do not overlap. The four
byte orders need no work per value: two of them are read from the answer as it came, two from the answer with the bytes
of every register swapped, each as big or little endian (CDAB swapped is DCBA, which is little endian).
"""

from array import array
from collections.abc import Callable, Sequence
from itertools import groupby
from math import nan
from struct import Struct

from streamforge.adapters.modbus_numbers import FORMATS, INVALID, Scales, checks_of, sentinels_of
from streamforge.adapters.modbus_points import Point
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.register_plan import Request
from streamforge.adapters.tags import DataType, Order
from streamforge.model import Quality

NOT_DECIMAL = "not_bcd"

_BITS = {DataType.BOOL, DataType.BIT}
_BCD = {DataType.BCD16, DataType.BCD32}
_SWAPPED = {Order.BADC, Order.CDAB}
_LITTLE = {Order.CDAB, Order.DCBA}


Pass = Callable[[bytes, bytes, Scan], None]


class Decoder:
    """The compiled plan of one request; `points` is the order in which it appends readings."""

    def __init__(self, request: Request) -> None:
        self.points: tuple[Point, ...] = ()
        self._passes: list[Pass] = []
        self._needs_swap = False
        if request.table.is_bits:
            self._add(request.points, _coils(request))
        else:
            for points in _groups(request.points):
                self._needs_swap |= points[0].order in _SWAPPED
                self._add(points, _compile(request.start, points))

    def _add(self, points: Sequence[Point], decode: Pass) -> None:
        self.points += tuple(points)
        self._passes.append(decode)

    def decode(self, body: bytes, scan: Scan) -> None:
        """Append a reading for each of `points`; `body` holds exactly the registers (or packed bits) asked for."""
        swapped = _swap(body) if self._needs_swap else b""
        for decode in self._passes:
            decode(body, swapped, scan)


def _swap(body: bytes) -> bytes:
    registers = array("H", body)
    registers.byteswap()
    return registers.tobytes()


def _category(point: Point) -> int:
    if point.type == DataType.STRING:
        return 3
    if point.type in _BCD:
        return 2
    return 1 if point.type in _BITS else 0


def _groups(points: Sequence[Point]) -> list[list[Point]]:
    """Points that one pass can take: same category and byte order, and no overlap but among bits."""
    ordered = sorted(points, key=lambda p: (_category(p), p.order, p.start, p.part, p.bit or 0))
    done: list[list[Point]] = []
    for (category, _), group in groupby(ordered, key=lambda p: (_category(p), p.order)):
        rest = list(group)
        while rest:
            taken, rest = (rest, []) if category == 1 else _without_overlap(rest)
            done.append(taken)
    return done


def _without_overlap(points: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    taken: list[Point] = []
    rest: list[Point] = []
    end = 0
    for point in sorted(points, key=lambda p: _place(p)[0]):
        first, size = _place(point)
        (taken if first >= end else rest).append(point)
        end = max(end, first + size) if first >= end else end
    return taken, rest


def _place(point: Point) -> tuple[int, int]:
    """First byte and number of bytes of a point, counted from the start of the table."""
    if point.part and point.type != DataType.STRING:
        second = (point.part == "hi") == (point.order in _LITTLE)
        return point.start * 2 + second, 1
    return point.start * 2, point.width * 2


def _struct(start: int, points: Sequence[Point]) -> Struct:
    """One field a point, with padding for what stands between them."""
    fields, at = ["<" if points[0].order in _LITTLE else ">"], start * 2
    for point in points:
        first, size = _place(point)
        form = f"{size}s" if point.type == DataType.STRING else FORMATS[point.type]
        fields.append(f"{first - at}x{form}" if first > at else form)
        at = first + size
    return Struct("".join(fields))


def _compile(start: int, points: Sequence[Point]) -> Pass:
    category = _category(points[0])
    if category == 0:
        return _numbers(start, points)
    if category == 1:
        return _register_bits(start, points)
    return _texts(start, points) if category == 3 else _bcds(start, points)


def _numbers(start: int, points: Sequence[Point]) -> Pass:
    unpack = _struct(start, points).unpack_from
    from_swapped = points[0].order in _SWAPPED
    checks = checks_of(points)
    scales = Scales(points)

    def decode(body: bytes, swapped: bytes, scan: Scan) -> None:
        first = len(scan.values)
        scan.values += unpack(swapped if from_swapped else body)
        for check in checks:
            check(scan, first)
        if scales.any:
            scales.apply(scan.values, first)

    return decode


def _register_bits(start: int, points: Sequence[Point]) -> Pass:
    singles = {point.start: point for point in points}
    registers = [singles[at] for at in sorted(singles)]
    places = {point.start: index for index, point in enumerate(registers)}
    wanted = [(places[p.start], 0xFFFF if p.bit is None else 1 << p.bit) for p in points]
    unpack = _struct(start, registers).unpack_from
    from_swapped = points[0].order in _SWAPPED

    def decode(body: bytes, swapped: bytes, scan: Scan) -> None:
        raw = unpack(swapped if from_swapped else body)
        scan.values += [1 if raw[place] & mask else 0 for place, mask in wanted]

    return decode


def _coils(request: Request) -> Pass:
    shifts = [point.start - request.start for point in request.points]

    def decode(body: bytes, _swapped: bytes, scan: Scan) -> None:
        bits = int.from_bytes(body, "little")
        scan.values += [bits >> shift & 1 for shift in shifts]

    return decode


def _texts(start: int, points: Sequence[Point]) -> Pass:
    unpack = _struct(start, points).unpack_from
    swap = points[0].order in {Order.BADC, Order.DCBA}
    slices = [slice(None) if not p.part else slice(p.part == "lo", None, 2) for p in points]

    def decode(body: bytes, _swapped: bytes, scan: Scan) -> None:
        for raw, part in zip(unpack(_swap(body) if swap else body), slices, strict=True):
            scan.others[len(scan.values)] = text(raw[part])
            scan.values.append(nan)

    return decode


def _bcds(start: int, points: Sequence[Point]) -> Pass:
    unpack = _struct(start, points).unpack_from
    from_swapped = points[0].order in _SWAPPED
    scales, sentinels = Scales(points), sentinels_of(points)

    def decode(body: bytes, swapped: bytes, scan: Scan) -> None:
        first = len(scan.values)
        for index, raw in enumerate(unpack(swapped if from_swapped else body), first):
            scan.values.append(nan)
            digits = f"{raw:x}"
            if raw in sentinels.get(index - first, ()):
                scan.spoil(index, Quality.BAD, INVALID)
            elif digits.isdecimal():
                scan.values[index] = int(digits)
            else:
                scan.spoil(index, Quality.BAD, NOT_DECIMAL)
        scales.apply(scan.values, first)

    return decode


def text(raw: bytes) -> str:
    """Characters up to the first NUL without trailing blanks: UTF-8, or Latin-1 where it is not."""
    raw = raw.split(b"\0", 1)[0].rstrip()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
