"""Events wait as files: in order, once each, whole or not at all, and never more than there is room for."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.errors import Rejected
from streamforge.gateway.event_spool import EventSpool, place, read, set_damaged_aside
from streamforge.model import Event, Severity

STEP = Event(
    event_id="clock_step/gateway-1/a1-1",
    asset_id="gateway-1",
    type="clock_step",
    severity=Severity.MEDIUM,
    time_us=1,
    message="The clock was set.",
    source="streamforge-syncd",
    details={"seconds": "3600.000"},
)


def numbered(number: int) -> Event:
    return replace(STEP, event_id=f"clock_step/gateway-1/a1-{number}", time_us=number)


def test_events_wait_in_the_order_in_which_they_were_put_whatever_the_clock_says(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path)
    events = [replace(numbered(number), time_us=-number) for number in range(1, 13)]
    for number, event in enumerate(events):
        assert spool.put(event)
        os.utime(spool.waiting()[-1], (1000 - number, 1000 - number))
    assert [read(path) for path in EventSpool(tmp_path).waiting()] == events


def test_the_same_event_waits_once_and_keeps_its_place(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path)
    for event in (numbered(1), numbered(11), numbered(1)):
        assert spool.put(event)
    assert [read(path).event_id for path in spool.waiting()] == [numbered(1).event_id, numbered(11).event_id]


def test_the_oldest_are_kept_and_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path, most_events=2)
    assert [spool.put(numbered(number)) for number in (1, 2, 3, 4)] == [True, True, False, False]
    assert spool.dropped == 2
    assert spool.put(numbered(2)), "what waits already needs no room"
    assert [read(path) for path in spool.waiting()] == [numbered(1), numbered(2)]


def test_numbers_go_on_after_the_oldest_were_sent(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path)
    spool.put(numbered(1))
    spool.put(numbered(2))
    spool.waiting()[0].unlink()
    spool.put(numbered(3))
    assert [read(path) for path in spool.waiting()] == [numbered(2), numbered(3)]


def test_the_group_may_read_what_the_owner_wrote_and_nobody_else(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path)
    spool.put(STEP)
    assert spool.waiting()[0].stat().st_mode & 0o777 == 0o640


def test_a_draft_of_somebody_who_died_is_no_event(tmp_path: Path) -> None:
    (tmp_path / ".000000000001-x.json.part").write_text("{")
    assert EventSpool(tmp_path).waiting() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"event_id": "x"}', '{"severity": "LOUD"}'])
def test_a_damaged_file_is_rejected_and_hidden_but_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "000000000001-x.json"
    path.write_text(text)
    with pytest.raises(Rejected, match="is not an event"):
        read(path)
    hidden = set_damaged_aside(path)
    assert (hidden.read_text(), hidden.name[0]) == (text, ".")
    assert EventSpool(tmp_path).waiting() == []


def test_a_spool_that_is_not_there_is_an_error_and_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="spool"):
        EventSpool(place(tmp_path)).put(STEP)
