"""Events and alarms that rows of these classes make: on change only, under ids that a repeat keeps."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from streamforge.adapters.base import Batch, Device, SignalRule
from streamforge.adapters.conditions import parse_condition
from streamforge.adapters.signal_file import FILE_NAME, SignalFile
from streamforge.adapters.signals import Signal, Signals, said_of
from streamforge.adapters.tags import Classification, TagRow, rule_of, signal_rule
from streamforge.model import Alarm, AlarmState, Event, Severity, Value, names

EVENT = SignalRule(severity=Severity.INFO)
HOT = SignalRule(condition=parse_condition("> 80"), severity=Severity.HIGH)
DEVICE = Device(
    key="pump",
    asset_id="pump",
    interval_seconds=1.0,
    names=names(("door", "speed", "temperature"), ("", "rpm", "celsius"), b"\x00\x00\x00"),
    signals=(EVENT, None, HOT),
)


def scan(door: Value, temperature: float, *, qualities: bytes = b"", times_us: Sequence[int] = ()) -> Batch:
    others: dict[int, Value] = {0: door} if not isinstance(door, float) else {}
    values = (door if isinstance(door, float) else float("nan"), 1000.0, temperature)
    return Batch(
        asset_id="pump", names=DEVICE.names, values=values, others=others, qualities=qualities, device_times_us=times_us
    )


def told(signals: Signals, *scans: Batch) -> list[Signal]:
    return [signal for time_us, one in enumerate(scans, 1) for signal in signals.look(DEVICE.signals, one, time_us)]


def test_a_change_is_an_event_and_the_first_value_is_none() -> None:
    first, second = told(Signals("line"), scan(0.0, 20), scan(0.0, 20), scan(1.0, 20), scan("open", 20))
    assert first == Event(
        event_id="line/pump/door/1",
        asset_id="pump",
        type="door",
        severity=Severity.INFO,
        time_us=3,
        message="door: 0 -> 1",
        source="line",
        details={"parameter": "door", "value": "1", "before": "0"},
    )
    assert (second.message, second.event_id) == ("door: 1 -> open", "line/pump/door/2")  # type: ignore[union-attr]


def test_an_alarm_stands_as_long_as_its_condition_holds() -> None:
    temperatures = (79, 81, 90, 80, 99)
    raised, cleared, again = told(Signals("line"), *(scan(0.0, one) for one in temperatures))
    assert isinstance(raised, Alarm)
    assert isinstance(cleared, Alarm)
    assert isinstance(again, Alarm)
    assert (raised.alarm_id, raised.state, raised.raised_at_us) == (
        "line/pump/temperature/1", AlarmState.UNACKNOWLEDGED, 2
    )  # fmt: skip
    assert (raised.severity, raised.value, raised.threshold, raised.unit) == (Severity.HIGH, 81.0, 80.0, "celsius")
    assert raised.message == "temperature is 81 celsius"
    assert (cleared.alarm_id, cleared.state, cleared.raised_at_us, cleared.cleared_at_us) == (
        "line/pump/temperature/1", AlarmState.RETURNED_UNACKNOWLEDGED, 2, 4
    )  # fmt: skip
    assert again.alarm_id == "line/pump/temperature/2"


def test_a_value_that_is_bad_or_null_says_nothing() -> None:
    signals = Signals("line")
    assert told(signals, scan(0.0, 20), scan(1.0, 99, qualities=b"\x03\x00\x03"), scan(None, float("nan"))) == []
    assert len(told(signals, scan(1.0, 99))) == 2


def test_the_time_is_the_devices_where_it_gives_one() -> None:
    signals = Signals("line")
    told(signals, scan(0.0, 20, times_us=(5,)))
    (one,) = told(signals, scan(1.0, 20, times_us=(7, 8, 9)))
    assert isinstance(one, Event)
    assert one.time_us == 7
    (other,) = told(signals, scan(1.0, 95, times_us=(7, 8, 9)))
    assert isinstance(other, Alarm)
    assert other.raised_at_us == 9


def test_an_alarm_of_a_reading_that_alone_carries_no_time_is_raised_once() -> None:
    raised, cleared = told(Signals("line"), *(scan(0.0, one, times_us=(7, 8, 0)) for one in (95, 96, 97, 20)))
    assert isinstance(raised, Alarm)
    assert isinstance(cleared, Alarm)
    assert (raised.raised_at_us, cleared.raised_at_us, cleared.cleared_at_us) == (1, 1, 4)


def test_a_unit_that_starts_anew_says_only_what_is_new(tmp_path: Path) -> None:
    file = SignalFile(tmp_path)
    signals = file.load("line")
    said = told(signals, scan(0.0, 20), scan(1.0, 99))
    file.save(signals)
    assert not (tmp_path / FILE_NAME).exists(), "nothing was acknowledged yet"
    for one in said:
        signals.acknowledged(one)
    file.due()
    file.save(signals)
    anew = SignalFile(tmp_path).load("line")
    cleared, changed = sorted(told(anew, scan(1.0, 99), scan(0.0, 20)), key=lambda one: isinstance(one, Event))
    assert isinstance(cleared, Alarm)
    assert isinstance(changed, Event)
    assert (cleared.alarm_id, cleared.raised_at_us) == ("line/pump/temperature/1", 2)
    assert changed.event_id == "line/pump/door/2"


def test_a_unit_that_is_killed_says_again_what_the_log_did_not_have(tmp_path: Path) -> None:
    file = SignalFile(tmp_path)
    signals = file.load("line")
    opened, raised, shut, cleared = told(signals, scan(0.0, 20), scan(1.0, 99), scan(0.0, 20))
    signals.acknowledged(opened)
    file.due()
    file.save(signals)
    assert told(SignalFile(tmp_path).load("line"), scan(1.0, 20), scan(0.0, 99))[1:] == [raised], "it was on its way"
    signals.acknowledged(cleared)  # and the one before it had no room
    signals.acknowledged(shut)
    file.due()
    file.save(signals)
    assert told(SignalFile(tmp_path).load("line"), scan(0.0, 20)) == []
    assert signals.to_json() == Signals("line", said_of(signals.to_json())).to_json()


@pytest.mark.parametrize("content", ["", "[]", '{"pump/door": 3}', '{"pump/door": {"color": 1}}'])
def test_a_file_that_cannot_be_read_is_said_and_begun_anew(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    assert told(SignalFile(tmp_path).load("line"), scan(0.0, 20), scan(1.0, 20))
    assert [record.getMessage() for record in caplog.records] == ["signals_forgotten"]


def test_where_nothing_is_known_events_get_numbers_that_no_earlier_one_had(tmp_path: Path) -> None:
    file = SignalFile(tmp_path)
    signals = file.load("line")
    assert file.is_forgotten
    signals.forgot(3)
    (changed,) = told(signals, scan(0.0, 20), scan(1.0, 20))
    assert isinstance(changed, Event)
    assert changed.event_id == "line/pump/door/3000001"
    signals.acknowledged(changed)
    file.due()
    file.save(signals)
    again = SignalFile(tmp_path)
    (changed,) = told(again.load("line"), scan(0.0, 20))
    assert isinstance(changed, Event)
    assert (changed.event_id, again.is_forgotten) == ("line/pump/door/3000002", False)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("true", (True, 1.0, 7), (False, 0.0)),
        ("False", (False, 0), (True, 3)),
        ("> 80", (81,), (80, 79.9)),
        (">=80", (80,), (79,)),
        ("< -1.5", (-2,), (-1.5,)),
        ("<= 3", (3,), (4,)),
        ("= 3", (3, 3.0), (4,)),
        ("== 3", (3,), (4,)),
        ("!= 1e3", (1,), (1000,)),
    ],
)
def test_conditions_are_comparisons(text: str, yes: tuple[Value, ...], no: tuple[Value, ...]) -> None:
    condition = parse_condition(text)
    assert [condition.holds(value) for value in (*yes, *no)] == [True] * len(yes) + [False] * len(no)
    assert [condition.holds(value) for value in (None, "on", float("nan"))] == [None] * 3


@pytest.mark.parametrize("text", ["", "80", "> eighty", "=> 3", "> 1.2.3", "yes"])
def test_anything_else_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match=r'write "true", "false", or a comparison such as "> 80"'):
        parse_condition(text)


def test_a_row_says_by_its_class_what_it_makes() -> None:
    assert signal_rule(TagRow(param="a")) is None
    assert signal_rule(TagRow(param="a", classification=Classification.EVENT)) == SignalRule(severity=Severity.INFO)
    alarm = TagRow(param="a", classification=Classification.ALARM, severity=Severity.CRITICAL, message="stop!")
    assert signal_rule(alarm) == SignalRule(
        condition=parse_condition("true"), severity=Severity.CRITICAL, message="stop!"
    )
    assert rule_of(alarm).deadband == 0.0, "it is reported at any change, not at every scan"
    assert rule_of(TagRow(param="a")).deadband is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"when": "true"}, 'needs class = "ALARM", not TELEMETRY'),
        ({"classification": Classification.EVENT, "when": "> 3"}, 'needs class = "ALARM", not EVENT'),
        ({"severity": Severity.LOW}, 'class = "EVENT" or "ALARM" is missing'),
        ({"message": "hot"}, 'class = "EVENT" or "ALARM" is missing'),
        ({"classification": Classification.ALARM, "when": "hot"}, "is not understood"),
    ],
)
def test_keys_that_do_not_fit_the_class_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TagRow(param="a", **keys)  # type: ignore[arg-type]
