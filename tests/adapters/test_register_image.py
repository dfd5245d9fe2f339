"""A payload is read as holding registers are, and named values as a register of their type."""

import struct
from math import isnan, nan

import pytest

from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.register_image import (
    IMAGE_REGISTERS,
    NEVER_WRITTEN,
    SHORT_PAYLOAD,
    WRONG_TYPE,
    Image,
    NamedValues,
    image_points,
    named_point,
    registers_of,
)
from streamforge.adapters.tags import DataType, Order, TagRow
from streamforge.model import Kind, Quality


def scan_of(payload: bytes, *rows: TagRow, order: Order = Order.ABCD) -> Scan:
    return Image([point for row in rows for point in image_points(row, order)]).decode(payload)


def row(at: str, kind: DataType | None = None, **more: object) -> TagRow:
    return TagRow(param=at, at=at, type=kind, **more)  # type: ignore[arg-type]


def test_bytes_0_to_3_are_40001_and_bytes_4_to_7_are_40003() -> None:
    payload = struct.pack(">fi", 12.5, -7)
    assert scan_of(payload, row("40001", DataType.FLOAT32), row("40003", DataType.INT32)).values == [12.5, -7]
    assert scan_of(payload, row("HR2", DataType.INT32), row("HR0", DataType.FLOAT32)).values == [-7, 12.5]


def test_orders_scales_sentinels_bits_and_texts_are_those_of_modbus() -> None:
    payload = struct.pack(">HHhHH4s", 0x0000, 0x4148, 234, 0x8000, 0x0100, b"AB\0\0")
    scan = scan_of(
        payload,
        row("HR0", DataType.FLOAT32, order=Order.CDAB),
        row("HR2", DataType.INT16, scale=0.1),
        row("HR3", DataType.INT16, invalid=0x8000),
        row("HR4.8"),
        row("HR4.hi"),
        row("HR5:2", DataType.STRING),
    )
    assert scan.values[:2] == [12.5, 23.4]
    assert scan.faults == {2: (Quality.BAD, "invalid")}
    assert scan.values[3:5] == [1, 1]
    assert scan.others[5] == "AB"


@pytest.mark.parametrize(
    ("at", "kind", "needed"),
    [
        ("HR1", DataType.UINT16, 4),
        ("HR1", DataType.FLOAT32, 6),
        ("HR1.hi", DataType.UINT8, 3),
        ("HR1.lo", DataType.UINT8, 4),
        ("HR1.8", DataType.BIT, 3),
        ("HR1.7", DataType.BIT, 4),
        ("HR1:4", DataType.STRING, 3),
    ],
)
def test_what_a_payload_is_too_short_for_is_bad_and_no_zero(at: str, kind: DataType, needed: int) -> None:
    whole, short = bytes([65] * needed), bytes([65] * (needed - 1))
    assert scan_of(whole, row(at, kind)).faults == {}
    assert scan_of(short, row(at, kind)).faults == {0: (Quality.BAD, SHORT_PAYLOAD)}
    assert scan_of(b"", row("HR0"), row(at, kind)).faults[0] == (Quality.BAD, SHORT_PAYLOAD)


def test_the_rest_of_a_short_payload_is_good() -> None:
    scan = scan_of(b"\x01\x02\x03", row("HR0"), row("HR1"), row("HR1.hi"))
    assert (scan.values[0], scan.values[2], set(scan.faults)) == (0x102, 3, {1})


def test_a_swapped_order_of_an_odd_payload_needs_the_whole_register() -> None:
    assert scan_of(b"\x01\x02\x03", row("HR1.hi"), order=Order.BADC).faults == {0: (Quality.BAD, SHORT_PAYLOAD)}


@pytest.mark.parametrize("at", ["IR0", "30001", "CO1", "40201", "HR199:2", "HR65535"])
def test_an_image_has_two_hundred_holding_registers(at: str) -> None:
    with pytest.raises(ValueError, match="image"):
        image_points(row(at, DataType.BOOL if at == "CO1" else DataType.UINT16))


def test_the_image_shows_what_was_never_written() -> None:
    assert registers_of(b"\x12\x34\x56")[:3] == [0x1234, 0x5600, NEVER_WRITTEN]
    assert len(registers_of(b"")) == len(registers_of(bytes(1000))) == IMAGE_REGISTERS


def named(value: object, kind: DataType | None = None, natural: DataType = DataType.INT64, **more: object) -> Scan:
    scan = Scan([0.0])
    one = named_point(row("A1", kind, **more), "A1", natural)
    NamedValues([one]).decode({"A1": value}, scan)  # type: ignore[dict-item]
    return scan


def test_a_named_value_is_scaled_checked_and_typed_as_a_register() -> None:
    assert named(1000, scale=0.1).values[1] == 100.0
    assert named(3, invalid=3).faults == {1: (Quality.BAD, "invalid")}
    assert named(nan, natural=DataType.FLOAT64).faults == {1: (Quality.BAD, "not_a_number")}
    assert named(value=True, natural=DataType.BOOL).values[1] == 1
    assert named(17, DataType.STRING).others == {1: "17"}
    assert named(2**60 + 1).others == {1: 2**60 + 1}


@pytest.mark.parametrize("value", ["text", None, 1.5, 2**80, [1]])
def test_a_named_value_of_another_type_is_bad(value: object) -> None:
    scan = named(value)
    assert scan.faults == {1: (Quality.BAD, WRONG_TYPE)}
    assert isnan(scan.values[1])


def test_a_float_that_no_double_holds_is_bad() -> None:
    assert named(10**400, natural=DataType.FLOAT64).faults == {1: (Quality.BAD, WRONG_TYPE)}


def test_the_kind_of_a_named_value_is_that_of_its_type() -> None:
    assert named_point(row("A1"), "A1", DataType.INT64).point.kind is Kind.LONG
    assert named_point(row("A1", scale=0.5), "A1", DataType.INT64).point.kind is Kind.DOUBLE
    assert named_point(row("A1", DataType.UINT16), "A1", DataType.FLOAT64).point.kind is Kind.LONG
    assert named_point(row("D1"), "D1", DataType.BOOL).point.kind is Kind.BOOLEAN
    with pytest.raises(ValueError, match="D1 as bool: is not a number, so it has neither scale"):
        named_point(row("D1", scale=2.0), "D1", DataType.BOOL)
