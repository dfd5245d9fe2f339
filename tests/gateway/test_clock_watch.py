"""Steps of the wall clock: each is one event, whose seconds sum up to the truth; slewing and pauses are none."""

import json
import threading
import time
from pathlib import Path

import pytest

from streamforge.clock import EARLIEST_US, ClockQuality
from streamforge.gateway import clock_watch
from streamforge.gateway.clock_watch import LEAST_STEP_NS, ClockThread, ClockWatch, offset_ns
from streamforge.gateway.event_spool import EventSpool, read
from streamforge.model import Event

SECOND = 1_000_000_000
HOUR, YEAR = 3_600 * SECOND, 365 * 86_400 * SECOND
NOW = EARLIEST_US * 1000 + YEAR


class Clock:
    """A wall clock that is set at will, and a watch of it whose events land in `said` while there is `room`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.offset: int | None = NOW
        self.said: list[Event] = []
        self.room = True
        self.start()

    def start(self) -> None:
        """As the unit starts anew."""
        self.watch = ClockWatch(
            self._put, self.directory, offset=lambda: self.offset, quality=lambda: ClockQuality(self.directory / "none")
        )

    def set(self, step_ns: int) -> None:
        """Somebody sets it, and there is a look."""
        assert self.offset is not None
        self.offset += step_ns
        self.watch.look()

    def _put(self, event: Event) -> bool:
        if self.room:
            self.said.append(event)
        return self.room

    @property
    def seconds(self) -> list[float]:
        """The offset of each event."""
        return [float(event.details["seconds"]) for event in self.said]


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    clock = Clock(tmp_path)
    clock.watch.look()
    return clock


def test_a_clock_that_nobody_sets_is_no_news(clock: Clock) -> None:
    for _ in range(10):
        clock.set(0)
    assert clock.said == []


@pytest.mark.parametrize("step_ns", [YEAR, -YEAR, HOUR, -HOUR, SECOND, -SECOND])
def test_a_step_is_one_event_with_its_offset_and_both_times(clock: Clock, step_ns: int) -> None:
    clock.set(step_ns)
    clock.set(0)
    (event,) = clock.said
    assert event.type == "clock_step"
    assert clock.seconds == [step_ns / SECOND]
    assert event.details["time_quality"] == "holdover"
    assert event.details["before"] != event.details["after"]
    assert ("forward" if step_ns > 0 else "back") in event.message


def test_a_boot_in_1970_that_is_corrected_is_one_event_with_the_offset(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.offset = 0
    clock.watch.look()
    clock.set(NOW)
    (event,) = clock.said
    assert clock.seconds == [NOW / SECOND]
    assert event.details["before"].startswith("1970-01-")
    assert event.time_us > EARLIEST_US


def test_a_clock_that_is_set_to_1970_says_that_it_is_unset(clock: Clock) -> None:
    clock.set(-NOW)
    assert clock.said[0].details["time_quality"] == "unset"


def test_twenty_steps_of_an_hour_are_twenty_events_each_with_an_id_of_its_own(clock: Clock) -> None:
    for _ in range(20):
        clock.set(HOUR)
    assert clock.seconds == [3600.0] * 20
    assert len({event.event_id for event in clock.said}) == 20


def test_small_steps_are_said_once_they_sum_up(clock: Clock) -> None:
    for _ in range(3):
        clock.set(LEAST_STEP_NS * 2 // 5)
    assert clock.seconds == [pytest.approx(0.6)]


def test_steps_between_two_looks_are_one_event_with_their_sum(clock: Clock) -> None:
    assert clock.offset is not None
    clock.offset += HOUR
    clock.set(HOUR)
    assert clock.seconds == [7200.0]


def test_what_the_spool_does_not_take_is_part_of_the_next_event(clock: Clock) -> None:
    clock.room = False
    with pytest.raises(OSError, match="full"):
        clock.set(HOUR)
    clock.room = True
    clock.set(HOUR)
    assert clock.seconds == [7200.0]


def test_a_step_while_the_unit_was_down_is_said_by_the_next_one_of_the_same_boot(clock: Clock) -> None:
    clock.set(HOUR)
    clock.start()
    clock.set(-HOUR)
    assert clock.seconds == [3600.0, -3600.0]
    assert len({event.event_id for event in clock.said}) == 2


def test_a_unit_that_died_between_event_and_note_says_it_again_under_the_same_id(clock: Clock) -> None:
    note = clock.directory / clock_watch.STATE_FILE
    before = note.read_text()
    clock.set(HOUR)
    note.write_text(before)
    clock.start()
    clock.set(0)
    assert len(clock.said) == 2
    assert len({event.event_id for event in clock.said}) == 1


@pytest.mark.parametrize("damage", ["", "[]", '{"series": 1}', "x"])
def test_without_a_note_the_first_look_only_learns_and_ids_never_come_back(clock: Clock, damage: str) -> None:
    clock.set(HOUR)
    (clock.directory / clock_watch.STATE_FILE).write_text(damage)
    clock.start()
    clock.set(HOUR)
    clock.set(HOUR)
    assert len({event.event_id for event in clock.said}) == len(clock.said) == 2


def test_a_moment_in_which_the_clocks_cannot_be_compared_is_no_step(clock: Clock) -> None:
    held, clock.offset = clock.offset, None
    assert clock.watch.look() is None
    clock.offset = held
    clock.set(0)
    assert clock.said == []


def test_a_process_that_was_stopped_between_two_readings_compares_again(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0, 60 * SECOND + NOW, 60 * SECOND, 61 * SECOND, 61 * SECOND + NOW, 61 * SECOND])
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _clock: next(times))
    assert offset_ns() == NOW


def test_the_real_clocks_of_this_machine_stand_still_against_each_other() -> None:
    first = offset_ns()
    time.sleep(0.3)
    second = offset_ns()
    assert first is not None
    assert second is not None
    assert abs(first - second) < LEAST_STEP_NS // 2


def test_the_thread_puts_each_step_into_the_spool_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_watch, "PERIOD_SECONDS", 0.01)
    monkeypatch.setattr(clock_watch, "REST_SECONDS", 0.01)
    spool = tmp_path / "spool"
    offset, told = [NOW], threading.Event()
    thread = ClockThread(ClockWatch(EventSpool(spool).put, tmp_path, offset=lambda: offset[0]), told.set)
    thread.start()
    while not (tmp_path / clock_watch.STATE_FILE).exists():
        time.sleep(0.01)
    offset[0] += HOUR
    time.sleep(0.1)
    assert not told.is_set(), "there is no spool yet"
    spool.mkdir()
    assert told.wait(5.0)
    thread.stop(5.0)
    (path,) = EventSpool(spool).waiting()
    assert read(path).details["seconds"] == "+3600.000"
    assert json.loads((tmp_path / clock_watch.STATE_FILE).read_text())["number"] == 1
