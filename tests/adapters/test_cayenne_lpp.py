"""Cayenne LPP, by the examples of its own documentation."""

import pytest

from streamforge.adapters.cayenne_lpp import NAMES, decode
from tests.adapters.mutations import FEW, MANY, campaign


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ("03670110056700FF", {"LPP3.TEMPERATURE": 27.2, "LPP5.TEMPERATURE": 25.5}),
        ("0167FFD7", {"LPP1.TEMPERATURE": -4.1}),
        ("067104D2FB2E0000", {
            "LPP6.ACCELEROMETER.X": 1.234, "LPP6.ACCELEROMETER.Y": -1.234, "LPP6.ACCELEROMETER.Z": 0,
        }),
        ("018806765FF2960A0003E8", {
            "LPP1.GPS.LATITUDE": 42.3519, "LPP1.GPS.LONGITUDE": -87.9094, "LPP1.GPS.ALTITUDE": 10,
        }),
        ("0000010101020202FF38", {"LPP0.DIGITAL_IN": 1, "LPP1.DIGITAL_OUT": 2, "LPP2.ANALOG_IN": -2}),
        ("0768640865FFFF0966010A7327100B74019A", {
            "LPP7.HUMIDITY": 50, "LPP8.ILLUMINANCE": 65535, "LPP9.PRESENCE": 1, "LPP10.PRESSURE": 1000,
            "LPP11.VOLTAGE": 4.1,
        }),
        ("", {}),
    ],
)  # fmt: skip
def test_examples(payload: str, found: dict[str, float]) -> None:
    assert decode(bytes.fromhex(payload)) == pytest.approx(found)


@pytest.mark.parametrize("payload", ["01", "01FE00", "0367", "036701", "018806765FF2", "0102FF38FF"])
def test_what_cannot_be_told_apart_is_an_error(payload: str) -> None:
    with pytest.raises(ValueError, match="Cayenne LPP"):
        decode(bytes.fromhex(payload))


def test_names_are_those_that_rows_may_read() -> None:
    assert {"TEMPERATURE", "GPS.LATITUDE", "GYROMETER.Z", "SWITCH"} < NAMES


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_payloads_are_values_or_errors(count: int) -> None:
    def feed(payload: bytes) -> None:
        try:
            found = decode(payload)
        except ValueError:
            return
        assert all(isinstance(value, int | float) for value in found.values())

    campaign([bytes.fromhex("03670110056700FF"), bytes.fromhex("018806765FF2960A0003E8"), b"\x01\x00\x01"], count, feed)
