"""The alarms that stand at a server, kept over restarts: what the log has, not what is still on its way to it."""

from dataclasses import replace
from pathlib import Path

from streamforge.adapters.opcua_standing import StandingFile
from streamforge.model import Alarm, AlarmState, Severity

HOT = Alarm(
    alarm_id="line/hot/1",
    asset_id="drum",
    type="hot",
    severity=Severity.HIGH,
    state=AlarmState.UNACKNOWLEDGED,
    raised_at_us=1,
)
LOW = replace(HOT, alarm_id="line/low/2", type="low")


def test_an_alarm_is_kept_from_when_the_log_has_it_to_when_the_log_has_its_end(tmp_path: Path) -> None:
    file = StandingFile(tmp_path)
    assert file.load() == {}
    file.done(HOT)
    file.save()
    assert StandingFile(tmp_path).load() == {HOT.alarm_id: HOT}, "of the other one the log has said nothing"
    again = StandingFile(tmp_path)
    again.load()
    again.done(LOW)
    again.done(replace(HOT, state=AlarmState.CLEARED))
    again.save()
    assert StandingFile(tmp_path).load() == {LOW.alarm_id: LOW}
