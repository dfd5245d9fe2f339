"""What a tag row becomes, and which rows are refused."""

import pytest

from streamforge.adapters.modbus_points import expand
from streamforge.adapters.tags import DataType, Order, TagRow
from streamforge.model import Kind


def row(at: str, type_: DataType | None = None, **columns: float) -> TagRow:
    return TagRow(param="p", at=at, type=type_, **columns)  # type: ignore[arg-type] # only numbers are given here


@pytest.mark.parametrize(
    ("at", "type_", "width", "kind"),
    [
        ("HR0", None, 1, Kind.LONG),
        ("CO0", None, 1, Kind.BOOLEAN),
        ("HR0.3", None, 1, Kind.BOOLEAN),
        ("HR0.hi", None, 1, Kind.LONG),
        ("HR0", DataType.BOOL, 1, Kind.BOOLEAN),
        ("HR0", DataType.FLOAT32, 2, Kind.DOUBLE),
        ("HR0", DataType.UINT64, 4, Kind.ULONG),
        ("HR0", DataType.BCD32, 2, Kind.LONG),
        ("HR0", DataType.UNIXTIME32, 2, Kind.LONG),
        ("HR0:8", DataType.STRING, 8, Kind.STRING),
    ],
)
def test_address_and_type_decide_width_and_kind(at: str, type_: DataType | None, width: int, kind: Kind) -> None:
    (point,) = expand(row(at, type_))
    assert (point.width, point.kind) == (width, kind)


def test_a_scaled_integer_is_a_double() -> None:
    assert expand(row("HR0", DataType.INT16, scale=0.1))[0].kind == Kind.DOUBLE


def test_a_range_of_numbers_is_an_array() -> None:
    points = expand(row("HR10:6", DataType.FLOAT32))
    assert [(point.parameter, point.start, point.width) for point in points] == [
        ("p_0", 10, 2),
        ("p_1", 12, 2),
        ("p_2", 14, 2),
    ]


def test_the_row_s_order_goes_before_the_device_s() -> None:
    assert expand(row("HR0"), Order.CDAB)[0].order == Order.CDAB
    assert expand(TagRow(param="p", at="HR0", order=Order.BADC), Order.CDAB)[0].order == Order.BADC


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (row("HR0", DataType.BIT), "which bit"),
        (row("HR0.3", DataType.INT16), 'type = "bit"'),
        (row("HR0", DataType.INT8), "which byte"),
        (row("HR0.hi", DataType.INT16), "a byte of a register"),
        (row("CO0", DataType.INT16), "single bits"),
        (row("HR0", DataType.STRING), "how many registers"),
        (row("HR0:126", DataType.STRING), "1 to 125"),
        (row("HR0:3", DataType.FLOAT32), "no multiple"),
        (row("HR0:3"), "say type"),
        (row("HR65535", DataType.FLOAT32), "pass the end"),
        (row("CO0", scale=2.0), "neither scale nor offset"),
        (row("HR0:2", DataType.STRING, offset=1.0), "neither scale nor offset"),
        (row("HR0", DataType.INT16, invalid=70000), "no value of 16 bits"),
        (row("HR0", DataType.UINT16, invalid=0.5), "no value of 16 bits"),
        (row("CO0", invalid=1), "no invalid values"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_hint(wrong: TagRow, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        expand(wrong)
