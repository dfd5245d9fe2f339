"""A message is read by the rows of its kind, and only what it brings."""

import pytest

from streamforge.adapters.radio_form import Form, FormRow, Message
from streamforge.adapters.tags import Classification, DataType, TagRow

NATURAL = {"RSSI": DataType.INT64, "DOOR": DataType.BOOL}.get


def form(*rows: tuple[str, str, str] | TagRow, asset_id: str = "tank") -> Form:
    """Rows as (kind of message, param, at)."""
    made = [
        FormRow(row=r) if isinstance(r, TagRow) else FormRow(kind=r[0], row=TagRow(param=r[1], at=r[2])) for r in rows
    ]
    return Form(made, asset_id, NATURAL)


def read(one: Form, **message: object) -> list[tuple[str, dict[str, float]]]:
    return [
        (batch.asset_id, dict(zip(batch.names.parameters, batch.values, strict=True)))
        for batch in one.read(Message(**message))  # type: ignore[arg-type]
    ]


def test_a_message_brings_what_it_carries_and_nothing_else() -> None:
    tank = form(("", "level", "40001"), ("", "signal", "rssi"), ("", "door", "DOOR"))
    assert read(tank, payload=b"\x00\x05", fields={"RSSI": -70}) == [("tank", {"level": 5, "signal": -70})]
    assert read(tank, fields={"DOOR": True, "OTHER": 1}) == [("tank", {"door": 1})]
    assert read(tank, fields={}) == []


def test_rows_of_another_kind_of_message_are_not_read() -> None:
    tank = form(("1", "level", "40001"), ("2", "volume", "40001"), ("", "state", "40002"), ("1", "battery", "40003"))
    payload = b"\x00\x01\x00\x02\x00\x03"
    assert read(tank, kind="1", payload=payload) == [("tank", {"level": 1, "state": 2, "battery": 3})]
    assert read(tank, kind="2", payload=payload) == [("tank", {"volume": 1, "state": 2})]
    assert read(tank, kind="9", payload=payload) == [("tank", {"state": 2})]


def test_a_row_of_another_asset_goes_there() -> None:
    tank = form(("", "level", "40001"), TagRow(param="door", at="40002", asset_id="hall"))
    assert read(tank, payload=b"\x00\x01\x00\x02") == [("tank", {"level": 1}), ("hall", {"door": 2})]
    assert [(d.key, d.asset_id) for d in tank.devices("t", "port", 60.0, "a")] == [("t", "tank"), ("t/hall", "hall")]


def test_the_device_has_each_parameter_once_with_its_rule_and_signal() -> None:
    tank = form(
        ("1", "battery", "40001"),
        ("2", "battery", "40003"),
        TagRow(param="leak", at="40005.0", classification=Classification.ALARM),
    )
    (device,) = tank.devices("tank", "port", 60.0, "0013A200")
    assert device.names.parameters == ("battery", "leak")
    assert [signal is not None for signal in device.signals] == [False, True]
    assert (device.silence_seconds, device.peer, device.address) == (60.0, "port", "0013A200")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("", "a", "40001"), ("", "a", "40002")], "two parameters named 'a'"),
        ([("1", "a", "40001"), ("", "a", "40002")], "two parameters named 'a'"),
        ([("1", "a", "40001"), ("1", "a", "40002")], "two parameters named 'a'"),
        ([("", "a", "")], "a: `at` is missing"),
        ([("", "a", "SNR")], "'SNR' is not understood"),
        ([TagRow(param="a", at="40001", interval_ms=5)], "sends by itself"),
    ],
)
def test_wrong_rows_are_named(rows: list[tuple[str, str, str] | TagRow], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        form(*rows)
