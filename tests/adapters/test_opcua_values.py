"""Status codes, timestamps and variants as readings."""

from datetime import datetime
from math import nan
from typing import Any

import pytest
from asyncua import ua

from streamforge.adapters.opcua_values import Form, is_overflow, quality_of, reading_of, time_us
from streamforge.model import Kind, Quality

AT = datetime(2026, 11, 27, 12, 0, 0, 250000)  # noqa: DTZ001 - as the library gives them
AT_US = 1_795_780_800_250_000
PLAIN = Form()
V = ua.VariantType


def data(value: Any, kind: Any = None, **more: Any) -> Any:
    return ua.DataValue(Value=ua.Variant(value, kind), **{"SourceTimestamp": AT, **more})


@pytest.mark.parametrize(
    ("code", "quality", "reason"),
    [
        (0, Quality.GOOD, ""),
        (0x00000480, Quality.GOOD, ""),
        (0x00960000, Quality.SUSPECT, "GoodLocalOverride"),
        (0x00300000, Quality.GOOD, "GoodClamped"),
        (0x40900000, Quality.SUSPECT, "UncertainLastUsableValue"),
        (0x40930000, Quality.UNCERTAIN, "UncertainSensorNotAccurate"),
        (0x80340000, Quality.BAD, "BadNodeIdUnknown"),
        (0x808D0480, Quality.BAD, "BadOutOfService"),
        (0xC0000000, Quality.BAD, "Bad"),
        (0x8FFE0000, Quality.BAD, "0x8FFE0000"),
    ],
)
def test_a_status_code_is_a_quality_and_its_name_the_reason(code: int, quality: Quality, reason: str) -> None:
    assert quality_of(code) == (quality, reason)


def test_the_overflow_bit_counts_only_with_the_info_type_that_it_belongs_to() -> None:
    assert is_overflow(0x480)
    assert is_overflow(0x40900480)
    assert not is_overflow(0x400)
    assert not is_overflow(0x080)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, V.Boolean, (Kind.BOOLEAN, 1.0, 1.0)),
        (-5, V.Int16, (Kind.LONG, -5.0, -5.0)),
        (200, V.Byte, (Kind.LONG, 200.0, 200.0)),
        (1.5, V.Float, (Kind.DOUBLE, 1.5, 1.5)),
        (1 << 53, V.Int64, (Kind.LONG, float(1 << 53), float(1 << 53))),
        ((1 << 53) + 1, V.Int64, (Kind.LONG, None, (1 << 53) + 1)),
        ((1 << 63) + 1, V.UInt64, (Kind.ULONG, None, str((1 << 63) + 1))),
        ("run", V.String, (Kind.STRING, None, "run")),
        (b"\x01\xff", V.ByteString, (Kind.STRING, None, "01ff")),
        (ua.LocalizedText("läuft"), V.LocalizedText, (Kind.STRING, None, "läuft")),
        (AT, V.DateTime, (Kind.STRING, None, "2026-11-27T12:00:00.250000+00:00")),
        (ua.NodeId("T", 2), V.NodeId, (Kind.STRING, None, "ns=2;s=T")),
        ([1, 2], V.Int32, (Kind.STRING, None, "[1, 2]")),
        ([b"\x01"], V.ByteString, (Kind.STRING, None, '["01"]')),
    ],
)
def test_a_variant_is_a_value_of_its_kind(value: Any, kind: Any, expected: tuple[Any, ...]) -> None:
    found = reading_of(data(value, kind), PLAIN)
    number = None if found.number != found.number else found.number
    assert (found.kind, number, found.other) == expected
    assert (found.quality, found.time_us, found.fits) == (Quality.GOOD, AT_US, number is not None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("K\udcfchlöl", "KühlÃ¶l"),  # one byte that is no UTF-8: all of it is of the old kind
        ("Kühlöl", "Kühlöl"),
        (ua.LocalizedText("\udcfc"), "ü"),
        (["a", "\udcfc"], '["a", "ü"]'),
    ],
)
def test_text_that_is_no_utf_8_is_latin_1_for_nothing_else_fits_the_log(value: Any, expected: str) -> None:
    reading = reading_of(data(value), PLAIN)
    assert reading.other == expected
    expected.encode()


def test_a_structure_is_json_on_one_line() -> None:
    structure = ua.Argument(Name="x", Description=ua.LocalizedText("y"))
    found = reading_of(data(structure, V.ExtensionObject), PLAIN)
    assert isinstance(found.other, str)
    assert '"Name": "x"' in found.other


def test_a_member_of_an_array_is_a_number_again() -> None:
    assert reading_of(data([1.5, 2.5], V.Double), Form(element=1, scale=2.0)).number == 5.0
    for value in ([1.5], 1.5):
        assert reading_of(data(value, V.Double), Form(element=1)).reason == "no_such_element"


def test_scale_and_sentinels_are_those_of_numbers() -> None:
    found = reading_of(data(30, V.Int16), Form(scale=0.1, offset=1.0))
    assert (found.kind, found.number) == (Kind.DOUBLE, 4.0)
    assert reading_of(data(-9999.0, V.Float), Form(invalid=(-9999.0,))).reason == "invalid"
    assert reading_of(data(True, V.Boolean), Form(scale=2.0)).kind is Kind.BOOLEAN


@pytest.mark.parametrize("value", [nan, float("inf")])
def test_what_is_no_number_is_bad(value: float) -> None:
    found = reading_of(data(value, V.Double), PLAIN)
    assert (found.quality, found.reason, found.other) == (Quality.BAD, "not_a_number", None)


def test_a_value_that_is_not_there_is_bad_whatever_its_status() -> None:
    assert reading_of(data(None), PLAIN).reason == "no_value"


def test_a_bad_value_is_null_at_the_time_that_the_server_gives() -> None:
    found = reading_of(data(5.0, V.Double, StatusCode=ua.StatusCode(0x808D0000)), PLAIN)
    assert (found.other, found.quality, found.reason, found.time_us) == (None, Quality.BAD, "BadOutOfService", AT_US)


def test_without_the_sources_time_a_subscribed_value_is_uncertain_and_a_polled_one_is_not() -> None:
    timeless = data(5.0, V.Double, SourceTimestamp=None, ServerTimestamp=AT)
    found = reading_of(timeless, PLAIN)
    assert (found.quality, found.reason, found.time_us) == (Quality.UNCERTAIN, "no_source_time", AT_US)
    polled = reading_of(timeless, PLAIN, sampled_us=77)
    assert (polled.quality, polled.time_us) == (Quality.GOOD, 77)


def test_times_before_1970_are_none() -> None:
    assert time_us(AT.replace(year=1601)) == 0
    assert time_us(None) == 0
