"""Which alarms may go: candidates by what readers have, and what their records say."""

from dataclasses import replace

import pytest

from streamforge.gateway.overflow import alarm_share
from streamforge.gateway.overflow.log_use import LogLook, PartitionLog, Segment
from streamforge.gateway.overflow.thinning import Standing
from streamforge.gateway.topics import TOPICS
from streamforge.model import Alarm, AlarmState, Severity
from streamforge.progress import Partition

ALARMS = Partition("alarms.clean")
BUDGET_BYTES = 8 * 1024**3
SHARE = next(one for one in TOPICS if one.name == ALARMS.topic).share_bytes(BUDGET_BYTES)
SIZE = -(-SHARE // 4)
ENDS = (10, 20, 30)
OPEN = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED)


def log(closed: int) -> PartitionLog:
    segments = tuple(Segment(first=10 * at, size_bytes=SIZE, written_ns=at) for at in range(closed))
    newest = Segment(first=10 * closed, size_bytes=1, written_ns=closed)
    return PartitionLog(place=ALARMS, segments=(*segments, newest), size_bytes=SIZE * closed + 1)


def ends(closed: int, **held: int) -> list[int]:
    found = alarm_share.candidates([log(closed)], BUDGET_BYTES, {ALARMS: held}, {})
    return [cut.end for cut in found]


def test_nothing_is_looked_at_while_the_share_is_not_full() -> None:
    assert ends(3, sink=10**6) == []


def test_the_oldest_are_until_the_rest_fits() -> None:
    assert ends(4, sink=10**6) == [10]
    assert ends(6, sink=10**6) == [10, 20, 30]


def test_what_a_sink_has_not_delivered_bars_it_and_all_that_follows() -> None:
    assert ends(6, ahead=10**6, behind=15) == [10]
    assert ends(6, ahead=10**6, behind=9) == []


def test_what_nobody_reads_nobody_has() -> None:
    assert ends(6) == []


def test_the_share_is_that_of_both_topics_of_alarms() -> None:
    other = replace(log(1), place=Partition("alarms.raw"))
    look = LogLook(partitions=(log(4), other))
    assert alarm_share.percent(look, BUDGET_BYTES) == pytest.approx(100 * 5 * SIZE / (SHARE * 6 / 5), rel=0.01)


def alarm(name: str, state: AlarmState) -> Alarm:
    return Alarm(alarm_id=name, asset_id="pump", type="high", severity=Severity.HIGH, state=state, raised_at_us=1)


def standing(*records: tuple[int, Alarm | None]) -> Standing:
    made = Standing(ends=ENDS)
    for offset, record in records:
        made.take(offset, record)
    return made


def test_segments_without_an_open_alarm_may_go() -> None:
    assert standing((0, alarm("a", AlarmState.CLEARED)), (25, alarm("b", AlarmState.CLEARED))).clear_segments == 3


@pytest.mark.parametrize("state", OPEN)
def test_an_alarm_that_is_not_cleared_bars_its_segment_and_all_that_follow(state: AlarmState) -> None:
    found = standing((0, alarm("a", AlarmState.CLEARED)), (12, alarm("b", state)), (25, alarm("c", AlarmState.CLEARED)))
    assert found.clear_segments == 1
    assert found.open_ids == ["b"]


def test_the_record_that_clears_an_alarm_may_stand_anywhere_behind() -> None:
    raised = (0, alarm("a", AlarmState.UNACKNOWLEDGED))
    assert standing(raised, (5_000, alarm("a", AlarmState.CLEARED))).clear_segments == 3


def test_its_newest_state_counts() -> None:
    cleared, again = (0, alarm("a", AlarmState.CLEARED)), (15, alarm("a", AlarmState.UNACKNOWLEDGED))
    assert standing(cleared, again).clear_segments == 0


def test_alarms_that_came_later_bar_nothing() -> None:
    assert standing((30, alarm("z", AlarmState.UNACKNOWLEDGED))).clear_segments == 3


def test_what_cannot_be_read_bars_its_segment_and_what_cannot_behind_them_does_not() -> None:
    assert standing((12, None), (3_000, None)).clear_segments == 1
    assert standing((22, None), (3, None)).clear_segments == 0
    assert standing((3_000, None)).clear_segments == 3
