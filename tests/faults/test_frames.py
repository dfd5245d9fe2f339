"""The campaign of mutated frames: it has every protocol, says what it saw, and can fail."""

import pytest

from tests.adapters.mutations import Milled, campaign
from tests.faults import frames
from tests.faults.frames import Run, mills, protocol_of, table

GOOD = Milled(frames=1000, stuck=0, slowest_seconds=0.0015, before_kibibytes=51_200, after_kibibytes=52_224)


def test_every_protocol_has_a_campaign() -> None:
    found = mills()
    assert found.keys() == {"modbus-tcp", "modbus-rtu", "opcua", "mqtt", "sparkplug", "xbee", "lora"}, (
        "one has no protocol"
    )
    assert all(found.values())


def test_a_test_belongs_to_the_protocol_that_its_name_or_its_file_says() -> None:
    assert "tests/adapters/test_mutations.py::test_modbus_rtu" in mills()["modbus-rtu"]
    assert protocol_of("tests/adapters/test_cayenne_lpp.py::test_x") == "lora"
    assert protocol_of("tests/adapters/test_mqtt_x.py::test_a_sparkplug_message") == "sparkplug"


def test_the_command_says_frames_crashes_and_memory_of_each_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    assert frames.main(["--frames", "500", "--only", "modbus-rtu"]) == 0
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith("| modbus-rtu | mutations: modbus rtu | 500 | 0 | 0 | ")


def test_the_table() -> None:
    text = table([Run(protocol="xbee", test="tests/adapters/test_xbee_frames.py::test_any_frame", seen=(GOOD, GOOD))])
    assert text.splitlines()[2] == "| xbee | xbee_frames: any frame | 2,000 | 0 | 0 | 1.5 | 50.0 | 51.0 |"


@pytest.mark.parametrize(("after_kibibytes", "stuck", "crashes"), [(52_224, 0, 1), (52_224, 1, 0), (90_000, 0, 0)])
def test_a_failure_is_a_crash_unless_it_was_time_or_memory(after_kibibytes: int, stuck: int, crashes: int) -> None:
    seen = Milled(frames=9, stuck=stuck, slowest_seconds=0.0, before_kibibytes=51_200, after_kibibytes=after_kibibytes)
    assert Run(protocol="p", test="t", seen=(seen,), fault="E").crashes == crashes


def test_a_frame_that_crashes_ends_it() -> None:
    def take(raw: bytes) -> None:
        assert len(raw) < 12

    with pytest.raises(AssertionError):
        campaign([bytes(10)], 1000, take)


def test_a_frame_that_takes_too_long_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.adapters.mutations.STUCK_SECONDS", 0.0)
    with pytest.raises(AssertionError):
        campaign([bytes(10)], 100, lambda raw: None)


def test_memory_that_grows_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([51_200, 60_000])
    monkeypatch.setattr("tests.adapters.mutations.peak_kibibytes", lambda: next(peaks))
    with pytest.raises(AssertionError):
        campaign([bytes(10)], 100, lambda raw: None)
