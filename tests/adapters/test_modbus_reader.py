"""What a device refuses is found tag by tag, costs nobody else a reading, is remembered, and asked again in time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.adapters import modbus_reader
from streamforge.adapters.modbus_failures import TIMEOUT, Failure, exception_failure, short_answer
from streamforge.adapters.modbus_points import Point, expand
from streamforge.adapters.modbus_question import Question
from streamforge.adapters.modbus_reader import REFUSED_SECONDS, Reader
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.register_plan import Budget
from streamforge.adapters.tags import DataType, TagRow

Missing = Callable[[int], bool]


class Device:
    """Holding register n holds n; a request that touches one that is missing is refused."""

    def __init__(self, missing: Missing = lambda at: False, most: int = 125, *, is_short: bool = False) -> None:
        self.missing, self.most, self.is_short = missing, most, is_short
        self.asked: list[tuple[int, int]] = []
        self.silent_after: int | None = None

    async def answer(self, question: Question) -> bytes | Failure:
        self.asked.append((question.start, question.count))
        if self.silent_after is not None and len(self.asked) > self.silent_after:
            return TIMEOUT
        wanted = range(question.start, question.start + question.count)
        if question.count > self.most:
            return exception_failure(3)
        if any(self.missing(at) for at in wanted):
            there = 2 * sum(not self.missing(at) for at in wanted)
            return short_answer(there, 2 * question.count, is_whole=True) if self.is_short else exception_failure(2)
        return b"".join(at.to_bytes(2, "big") for at in wanted)


def tags(*places: str, type_: DataType | None = None) -> list[Point]:
    return [point for at in places for point in expand(TagRow(param=at, at=at, type=type_))]


def reader(points: list[Point], budget: Budget | None = None) -> Reader:
    return Reader(points, budget or Budget(), lambda r: Question(r.table, 1, r.start, r.count))


def scan(device: Device, found: Reader) -> Scan:
    device.asked.clear()
    return asyncio.run(found.scan(device.answer))


def read(scan: Scan) -> list[float | None]:
    return [None if index in scan.faults else value for index, value in enumerate(scan.values)]


HUNDRED = [f"HR{at}" for at in range(100)]


def test_one_bad_tag_among_a_hundred_costs_only_itself_from_the_first_scan_on() -> None:
    device, found = Device(lambda at: at == 37), reader(tags(*HUNDRED))
    for _ in range(2):
        result = scan(device, found)
        assert read(result) == [None if at == 37 else at for at in range(100)]
        assert result.faults[37][1].startswith("config_error: illegal data address")


def test_it_is_found_in_few_requests_and_then_left_alone() -> None:
    device, found = Device(lambda at: at == 37), reader(tags(*HUNDRED))
    scan(device, found)
    assert len(device.asked) <= 2 * 7 + 1
    scan(device, found)
    assert device.asked == [(0, 37), (38, 62)]


def test_a_bad_tag_is_asked_again_after_ten_minutes_and_taken_back_when_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(modbus_reader, "monotonic", lambda: now)
    device, found = Device(lambda at: at == 37), reader(tags(*HUNDRED))
    scan(device, found)
    now += REFUSED_SECONDS - 1
    scan(device, found)
    assert (37, 1) not in device.asked
    now += 1
    scan(device, found)
    assert (37, 1) in device.asked
    scan(device, found)
    assert (37, 1) not in device.asked, "still refused: remembered for another ten minutes"
    device.missing = lambda at: False
    now += REFUSED_SECONDS
    assert read(scan(device, found)) == list(range(100))
    scan(device, found)
    assert device.asked == [(0, 100)]


def test_a_hole_between_tags_is_no_fault_of_a_tag() -> None:
    device, found = Device(lambda at: 10 <= at < 15), reader(tags(*(f"HR{at}" for at in (*range(10), *range(15, 25)))))
    for _ in range(2):
        assert read(scan(device, found)) == [*range(10), *range(15, 25)]
    assert device.asked == [(0, 10), (15, 10)]


def test_a_device_that_takes_fewer_registers_than_others_is_asked_for_fewer() -> None:
    device, found = Device(most=32), reader(tags(*HUNDRED))
    for _ in range(3):
        assert read(scan(device, found)) == list(range(100))
    assert device.asked == [(0, 25), (25, 25), (50, 25), (75, 25)]


def test_a_device_that_ends_in_short_answers_is_read_to_its_end() -> None:
    device, found = Device(lambda at: at >= 60, is_short=True), reader(tags(*HUNDRED))
    for _ in range(3):
        result = scan(device, found)
        assert read(result) == [at if at < 60 else None for at in range(100)]
    assert {reason.split(":")[0] for _, reason in result.faults.values()} == {"short_answer"}
    assert device.asked == [(0, 60)]


def test_a_value_is_never_cut() -> None:
    points = [*tags("HR0"), *tags("HR1", "HR3", "HR5", type_=DataType.FLOAT32), *tags("HR7")]
    device, found = Device(lambda at: at == 4), reader(points)
    result = scan(device, found)
    assert list(result.faults) == [2]
    assert all((at, count) in {(0, 8), (0, 3), (3, 5), (0, 1), (1, 2), (3, 2), (5, 3)} for at, count in device.asked)


def test_bits_of_one_bad_register_are_all_bad_and_asked_once() -> None:
    device, found = Device(lambda at: at == 5), reader(tags("HR4", "HR5.0", "HR5.7", "HR6"))
    assert list(scan(device, found).faults) == [1, 2]
    assert device.asked.count((5, 1)) == 1


def test_a_device_that_refuses_everything_is_asked_whole_again_each_scan_for_it_may_be_starting() -> None:
    device, found = Device(lambda at: True), reader(tags(*HUNDRED))
    scan(device, found)
    for _ in range(2):
        assert len(scan(device, found).faults) == 100
        assert device.asked == [(0, 100)]
    device.missing = lambda at: False
    assert read(scan(device, found)) == list(range(100))
    device.missing = lambda at: at == 3
    assert read(scan(device, found)) == [None if at == 3 else at for at in range(100)]


def test_a_device_that_refused_everything_and_then_lacks_one_tag_is_read_within_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(modbus_reader, "monotonic", lambda: now)
    device, found = Device(lambda at: True), reader(tags(*HUNDRED))
    for _ in range(59):
        scan(device, found)
        now += 1.0
    device.missing = lambda at: at == 3
    scan(device, found)
    now += 1.0
    assert read(scan(device, found)) == [None if at == 3 else at for at in range(100)]


def test_silence_while_dividing_teaches_nothing() -> None:
    device, found = Device(lambda at: at == 37), reader(tags(*HUNDRED))
    device.silent_after = 3
    result = scan(device, found)
    assert len(result.faults) > 50
    assert len(device.asked) == 4
    device.silent_after = None
    assert read(scan(device, found)) == [None if at == 37 else at for at in range(100)]
    assert device.asked[0] == (0, 100)


def test_an_unknown_function_is_not_divided_but_remembered() -> None:
    device, found = Device(), reader(tags("HR0", "HR1", "IR0", "IR1"))

    async def no_inputs(question: Question) -> bytes | Failure:
        return await device.answer(question) if question.function == 3 else exception_failure(1)

    for expected in (2, 1):
        device.asked.clear()
        asked: list[int] = []

        async def counted(question: Question, asked: list[int] = asked) -> bytes | Failure:
            asked.append(question.function)
            return await no_inputs(question)

        assert list(asyncio.run(found.scan(counted)).faults) == [2, 3]
        assert len(asked) == expected


@given(st.sets(st.integers(0, 199), max_size=8), st.lists(st.integers(0, 199), min_size=2, max_size=60, unique=True))
def test_whatever_is_missing_every_other_tag_is_read_right(missing: set[int], places: list[int]) -> None:
    device, found = Device(lambda at: at in missing), reader(tags(*(f"HR{at}" for at in places)))
    expected: list[Any] = [None if at in missing else at for at in places]
    for _ in range(4):
        assert read(scan(device, found)) == expected
    if any(value is not None for value in expected):
        before = list(device.asked)
        scan(device, found)
        assert device.asked == before, "what was learned is stable"
        assert all(not any(at in missing for at in range(start, start + count)) for start, count in before)
