"""What events of conditions become: state, severity, branches, and what a refresh says by leaving it out."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from asyncua import ua

from streamforge.adapters.opcua_alarms import Conditions, event_filter, refresh_of, severity_of
from streamforge.model import AlarmState, Severity

RAISED = datetime(2026, 11, 27, 12, 0, 0)  # noqa: DTZ001 - as the library gives them
RAISED_US = 1_795_780_800_000_000
ORDER = (
    "type", "source", "time", "message", "severity", "name", "branch", "retain", "user", "acked", "acked_at", "active",
    "active_at", "condition",
)  # fmt: skip
ALARM = {
    "type": ua.NodeId(ua.ObjectIds.ExclusiveLevelAlarmType),
    "source": "Drum",
    "time": RAISED,
    "message": ua.LocalizedText("too hot"),
    "severity": 700,
    "name": "TooHot",
    "branch": ua.NodeId(),
    "retain": True,
    "acked": False,
    "active": True,
    "active_at": RAISED,
    "condition": ua.NodeId("TooHot", 2),
}
CLEAR = {"retain": False, "active": False, "acked": True}
BEGINS = {"type": ua.NodeId(ua.ObjectIds.RefreshStartEventType), "condition": None}
ENDS = {"type": ua.NodeId(ua.ObjectIds.RefreshEndEventType), "condition": None}


@pytest.fixture
def conditions() -> Conditions:
    return Conditions("line", "boiler")


def say(conditions: Conditions, **more: Any) -> list[Any]:
    """One event, the alarm's unless told otherwise."""
    said = {**ALARM, **more}
    return conditions.take([ua.Variant(said.get(name)) for name in ORDER], RAISED_US + 9)


def states(conditions: Conditions, *events: dict[str, Any]) -> list[AlarmState]:
    return [alarm.state for event in events for alarm in say(conditions, **event)]


def test_the_fields_are_asked_for_in_the_order_in_which_they_are_read() -> None:
    wanted = event_filter()
    paths = ["/".join(part.Name for part in one.BrowsePath) for one in wanted.SelectClauses]
    assert paths[:3] == ["EventType", "SourceName", "Time"]
    assert len(paths) == len(ORDER)
    assert (paths[-1], wanted.SelectClauses[-1].AttributeId) == ("", ua.AttributeIds.NodeId)


def test_an_alarm_says_who_what_and_since_when(conditions: Conditions) -> None:
    (alarm,) = say(conditions)
    assert (alarm.asset_id, alarm.type, alarm.message) == ("boiler", "TooHot", "Drum: too hot")
    assert (alarm.severity, alarm.state) == (Severity.HIGH, AlarmState.UNACKNOWLEDGED)
    assert (alarm.raised_at_us, alarm.acked_at_us, alarm.cleared_at_us) == (RAISED_US, 0, 0)
    assert alarm.alarm_id == f"line/ns=2;s=TooHot/{RAISED_US}"


@pytest.mark.parametrize(
    ("number", "severity"),
    [
        (1, Severity.LOW), (250, Severity.LOW), (251, Severity.MEDIUM), (500, Severity.MEDIUM),
        (501, Severity.HIGH), (750, Severity.HIGH), (751, Severity.CRITICAL), (1000, Severity.CRITICAL),
    ],
)  # fmt: skip
def test_severity_has_four_levels(number: int, severity: Severity) -> None:
    assert severity_of(number) is severity


def test_acknowledged_and_then_gone(conditions: Conditions) -> None:
    acked = {"acked": True, "acked_at": RAISED + timedelta(seconds=3), "user": "miller"}
    assert states(conditions, {}, acked) == [AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED]
    (alarm,) = conditions.standing.values()
    assert (alarm.acked_by, alarm.acked_at_us) == ("miller", RAISED_US + 3_000_000)
    (end,) = say(conditions, **CLEAR, active_at=RAISED + timedelta(seconds=9))
    assert (end.state, end.raised_at_us, end.cleared_at_us) == (AlarmState.CLEARED, RAISED_US, RAISED_US + 9_000_000)
    assert end.alarm_id == alarm.alarm_id


def test_what_is_no_utf_8_is_read_as_latin_1(conditions: Conditions) -> None:
    (alarm,) = say(conditions, name="K\udcfchler", source="K\udcfcche", message=ua.LocalizedText("zu hei\udcdf"))
    assert (alarm.type, alarm.message) == ("Kühler", "Küche: zu heiß")


def test_gone_and_then_acknowledged(conditions: Conditions) -> None:
    assert states(conditions, {}, {"active": False}, CLEAR) == [
        AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED, AlarmState.CLEARED,
    ]  # fmt: skip


def test_what_is_of_no_interest_any_more_is_cleared_though_it_is_active(conditions: Conditions) -> None:
    assert states(conditions, {}, {"retain": False}) == [AlarmState.UNACKNOWLEDGED, AlarmState.CLEARED]


def test_what_is_said_again_is_no_news_and_the_next_time_is_another_alarm(conditions: Conditions) -> None:
    first, second = say(conditions), say(conditions)
    assert second == []
    say(conditions, **CLEAR)
    (third,) = say(conditions, active_at=RAISED + timedelta(hours=1))
    assert third.alarm_id != first[0].alarm_id


def test_a_condition_that_never_stood_ends_in_silence(conditions: Conditions) -> None:
    assert say(conditions, **CLEAR) == []


def test_a_branch_is_an_alarm_of_its_own(conditions: Conditions) -> None:
    (trunk,) = say(conditions)
    (branch,) = say(conditions, branch=ua.NodeId(5, 2), active=False)
    assert branch.alarm_id.startswith("line/ns=2;s=TooHot#ns=2;i=5/")
    assert say(conditions, **CLEAR)[0].alarm_id == trunk.alarm_id
    assert list(conditions.standing) == [branch.alarm_id]


def test_a_condition_without_states_stands_as_long_as_it_is_retained(conditions: Conditions) -> None:
    plain = {"active": None, "acked": None, "active_at": None}
    assert states(conditions, plain, plain | {"retain": False}) == [AlarmState.ACKNOWLEDGED, AlarmState.CLEARED]


def test_what_a_refresh_leaves_out_has_ended(conditions: Conditions) -> None:
    say(conditions)
    say(conditions, condition=ua.NodeId("Other", 2))
    assert states(conditions, BEGINS, {}) == []
    (gone,) = say(conditions, **ENDS)
    assert (gone.state, "Other" in gone.alarm_id) == (AlarmState.CLEARED, True)
    assert say(conditions, **ENDS) == [], "an end without a beginning says nothing"


def test_other_events_are_none_of_ours_but_a_change_of_the_nodes_is_noted(conditions: Conditions) -> None:
    assert say(conditions, condition=None) == []
    assert not conditions.is_model_changed
    say(conditions, condition=None, type=ua.NodeId(ua.ObjectIds.GeneralModelChangeEventType))
    assert conditions.is_model_changed


def test_the_one_method_that_is_called_is_condition_refresh() -> None:
    call = refresh_of(7)
    assert call.ObjectId == ua.NodeId(ua.ObjectIds.ConditionType)
    assert call.MethodId == ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh)
    assert call.InputArguments == [ua.Variant(7, ua.VariantType.UInt32)]
