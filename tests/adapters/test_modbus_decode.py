"""Bytes to readings: every type in every order, sentinels, scales, and any mixture in one request."""

import struct
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.adapters.modbus_decode import Decoder, text
from streamforge.adapters.modbus_points import expand
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.register_plan import plan
from streamforge.adapters.tags import DataType, Order, TagRow
from streamforge.model import Quality, Value


def decoded(body: bytes, *rows: TagRow) -> dict[str, Value]:
    """Readings by parameter; what does not stand in the column of doubles comes from the others."""
    scan, parameters = scanned(body, *rows)
    return {name: scan.others.get(i, scan.values[i]) for i, name in enumerate(parameters)}


def scanned(body: bytes, *rows: TagRow) -> tuple[Scan, list[str]]:
    (request,) = plan(point for row in rows for point in expand(row))
    decoder, scan = Decoder(request), Scan()
    decoder.decode(body, scan)
    return scan, [point.parameter for point in decoder.points]


def one(body: str, at: str = "HR0", type_: DataType | None = None, order: Order = Order.ABCD, **more: float) -> Value:
    row = TagRow(param="p", at=at, type=type_, order=order, **more)  # type: ignore[arg-type] # only numbers are given
    return decoded(bytes.fromhex(body), row)["p"]


@pytest.mark.parametrize(
    ("body", "at", "type_", "value"),
    [
        ("ff85", "HR0.hi", DataType.INT8, -1),
        ("ff85", "HR0.lo", DataType.INT8, -123),
        ("ff85", "HR0.lo", DataType.UINT8, 0x85),
        ("8000", "HR0", DataType.INT16, -32768),
        ("8000", "HR0", DataType.UINT16, 32768),
        ("80000001", "HR0", DataType.INT32, -2147483647),
        ("80000001", "HR0", DataType.UINT32, 2147483649),
        ("ffffffffffffffff", "HR0", DataType.INT64, -1),
        ("0000000000000005", "HR0", DataType.UINT64, 5),
        ("3e00", "HR0", DataType.FLOAT16, 1.5),
        ("41b40000", "HR0", DataType.FLOAT32, 22.5),
        ("4036800000000000", "HR0", DataType.FLOAT64, 22.5),
        ("1234", "HR0", DataType.BCD16, 1234),
        ("12345678", "HR0", DataType.BCD32, 12345678),
        ("65920080", "HR0", DataType.UNIXTIME32, 1704067200),
        ("0000", "HR0", DataType.BOOL, 0),
        ("0100", "HR0", DataType.BOOL, 1),
        ("0008", "HR0.3", DataType.BIT, 1),
        ("fff7", "HR0.3", DataType.BIT, 0),
        ("8000", "HR0.15", DataType.BIT, 1),
        ("50532d3720200000", "HR0:4", DataType.STRING, "PS-7"),
        ("005000530037", "HR0:3.lo", DataType.STRING, "PS7"),
        ("500053003700", "HR0:3.hi", DataType.STRING, "PS7"),
        ("0000", "HR0:1", DataType.STRING, ""),
        ("05", "CO0", None, 1),
    ],
)
def test_a_type_as_the_wire_shows_it(body: str, at: str, type_: DataType | None, value: Value) -> None:
    assert one(body, at, type_) == value


@pytest.mark.parametrize(
    ("order", "body"),
    [(Order.ABCD, "41b40000"), (Order.CDAB, "000041b4"), (Order.BADC, "b4410000"), (Order.DCBA, "0000b441")],
)
def test_the_four_orders_of_a_float(order: Order, body: str) -> None:
    assert one(body, type_=DataType.FLOAT32, order=order) == 22.5


@pytest.mark.parametrize(
    ("order", "body"),
    [
        (Order.ABCD, "0102030405060708"),
        (Order.CDAB, "0708050603040102"),
        (Order.BADC, "0201040306050807"),
        (Order.DCBA, "0807060504030201"),
    ],
)
def test_sixty_four_bits_follow_the_same_letters(order: Order, body: str) -> None:
    scan, _ = scanned(bytes.fromhex(body), TagRow(param="p", at="HR0", type=DataType.UINT64, order=order))
    assert scan.others[0] == 0x0102030405060708
    assert isnan(scan.values[0])


@pytest.mark.parametrize("order", [Order.BADC, Order.DCBA])
def test_swapped_bytes_concern_single_registers_and_strings_too(order: Order) -> None:
    assert one("3412", type_=DataType.UINT16, order=order) == 0x1234
    assert one("53502d37", "HR0:2", DataType.STRING, order) == "PS7-"
    assert one("3412", "HR0.hi", DataType.UINT8, order) == 0x12


def test_a_long_that_no_double_holds_keeps_its_digits() -> None:
    assert one("0020000000000001", type_=DataType.INT64) == 2**53 + 1
    assert one("0020000000000000", type_=DataType.INT64) == 2**53
    assert one("8000000000000000", type_=DataType.UINT64) == str(2**63)
    assert one("8000000000000000", type_=DataType.INT64) == -(2**63)


def test_scale_and_offset() -> None:
    assert one("00ea", type_=DataType.INT16, scale=0.1) == 23.4
    assert one("0003", type_=DataType.INT16, scale=0.1) == 0.3
    assert one("0064", type_=DataType.INT16, scale=2.5, offset=-10.0) == 240.0
    assert one("0064", type_=DataType.INT16, offset=1.0) == 101.0
    assert one("1234", type_=DataType.BCD16, scale=0.01) == 12.34


@pytest.mark.parametrize(
    ("body", "type_", "invalid", "reason"),
    [
        ("8000", DataType.INT16, 0x8000, "invalid"),
        ("8000", DataType.INT16, -32768, "invalid"),
        ("ffff", DataType.UINT16, 65535, "invalid"),
        ("ffffffff", DataType.INT32, -1, "invalid"),
        ("9999", DataType.BCD16, 0x9999, "invalid"),
        ("c61c3c00", DataType.FLOAT32, -9999.0, "invalid"),
        ("3dcccccd", DataType.FLOAT32, 0.1, "invalid"),
        ("7fc00000", DataType.FLOAT32, None, "not_a_number"),
        ("ff800000", DataType.FLOAT32, None, "not_a_number"),
        ("7e00", DataType.FLOAT16, None, "not_a_number"),
        ("12af", DataType.BCD16, None, "not_bcd"),
    ],
)
def test_a_value_that_means_no_reading_is_bad(body: str, type_: DataType, invalid: float | None, reason: str) -> None:
    row = TagRow(param="p", at="HR0", type=type_, invalid=() if invalid is None else invalid, scale=0.5)
    scan, _ = scanned(bytes.fromhex(body), row)
    assert scan.faults == {0: (Quality.BAD, reason)}
    assert scan.others == {0: None}
    assert isnan(scan.values[0])
    assert scan.qualities == bytes([Quality.BAD])


def test_a_good_neighbour_of_a_bad_value_stays_good() -> None:
    rows = [TagRow(param=f"p{i}", at=f"HR{i}", type=DataType.INT16, invalid=(0x7FFF, 0x8000)) for i in range(3)]
    scan, _ = scanned(bytes.fromhex("0001 7fff 0003"), *rows)
    assert (scan.values[0], scan.values[2], scan.qualities) == (1, 3, bytes([0, 3, 0]))


def test_floats_whose_sum_overflows_are_good() -> None:
    rows = [TagRow(param=f"p{i}", at=f"HR{4 * i}", type=DataType.FLOAT64) for i in range(2)]
    scan, _ = scanned(struct.pack(">dd", 1.7e308, 1.7e308), *rows)
    assert scan.qualities == b""


def test_any_mixture_comes_from_one_answer() -> None:
    rows = [
        TagRow(param="state", at="HR0"),
        TagRow(param="running", at="HR0.0"),
        TagRow(param="fault", at="HR0.1"),
        TagRow(param="low_byte", at="HR0.lo"),
        TagRow(param="temperature", at="HR1", type=DataType.FLOAT32, order=Order.CDAB),
        TagRow(param="as_integer", at="HR1", type=DataType.UINT16),
        TagRow(param="name", at="HR4:2", type=DataType.STRING),
        TagRow(param="digits", at="HR6", type=DataType.BCD16),
        TagRow(param="swapped", at="HR6", type=DataType.UINT16, order=Order.DCBA),
    ]
    assert decoded(bytes.fromhex("0101 0000 41b4 ffff 50554d50 0042"), *rows) == {
        "state": 0x101, "running": 1, "fault": 0, "low_byte": 1, "temperature": 22.5, "as_integer": 0,
        "name": "PUMP", "digits": 42, "swapped": 0x4200,
    }  # fmt: skip


def test_text_is_utf_8_or_latin_1_up_to_the_first_nul() -> None:
    assert text("Kühlung".encode() + b"\0rest") == "Kühlung"
    assert text("Kühlung".encode("latin-1")) == "Kühlung"


NUMBERS = {
    DataType.INT16: ("h", st.integers(-(2**15), 2**15 - 1)),
    DataType.UINT16: ("H", st.integers(0, 2**16 - 1)),
    DataType.INT32: ("i", st.integers(-(2**31), 2**31 - 1)),
    DataType.UINT32: ("I", st.integers(0, 2**32 - 1)),
    DataType.INT64: ("q", st.integers(-(2**53), 2**53)),
    DataType.FLOAT32: ("f", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    DataType.FLOAT64: ("d", st.floats(allow_nan=False, allow_infinity=False)),
}


@st.composite
def field(draw: st.DrawFn) -> tuple[DataType, Order, float]:
    type_ = draw(st.sampled_from(list(NUMBERS)))
    return type_, draw(st.sampled_from(list(Order))), draw(NUMBERS[type_][1])


def on_the_wire(type_: DataType, order: Order, value: float) -> bytes:
    """Written the slow way: the letters say where each byte of the value goes."""
    big = struct.pack(">" + NUMBERS[type_][0], value)
    words = [big[at : at + 2] for at in range(0, len(big), 2)]
    if order in {Order.CDAB, Order.DCBA}:
        words.reverse()
    if order in {Order.BADC, Order.DCBA}:
        words = [word[::-1] for word in words]
    return b"".join(words)


@given(st.lists(st.tuples(field(), st.integers(0, 3)), min_size=1, max_size=20))
def test_whatever_is_written_is_read_back(fields: list[tuple[tuple[DataType, Order, float], int]]) -> None:
    body, rows, truth = b"", [], {}
    for number, ((type_, order, value), gap) in enumerate(fields):
        rows.append(TagRow(param=f"p{number}", at=f"HR{len(body) // 2}", type=type_, order=order))
        truth[f"p{number}"] = value
        body += on_the_wire(type_, order, value) + b"\xa5\x5a" * gap
    last_gap = fields[-1][1]
    assert decoded(body[: len(body) - 2 * last_gap], *rows) == truth


@given(st.binary(min_size=40, max_size=40))
def test_no_bytes_make_it_fail(body: bytes) -> None:
    rows = [
        TagRow(param=f"p{i}{order}", at=at, type=type_, order=order)
        for i, (at, type_) in enumerate(
            [("HR0:20", DataType.STRING), ("HR0", DataType.FLOAT16), ("HR4", DataType.BCD32), ("HR8", DataType.UINT64)]
        )
        for order in Order
    ]
    scan, parameters = scanned(body, *rows)
    assert len(scan.values) == len(parameters) == 16
