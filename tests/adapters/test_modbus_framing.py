"""Frames by themselves: whatever arrives, nothing crashes or grows, and only an answer to the question is data."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.adapters.crc16 import crc16
from streamforge.adapters.modbus_failures import TIMEOUT, Failure, FailureKind
from streamforge.adapters.modbus_framing import Framing, MbapFraming
from streamforge.adapters.modbus_question import Question
from streamforge.adapters.modbus_rtu_framing import RtuFraming, rtu_frame
from streamforge.adapters.registers import Table
from tests.adapters.peers import right as right_mbap
from tests.adapters.serial_lines import answer as right_rtu
from tests.adapters.serial_lines import crc

QUESTION = Question(Table.HOLDING_REGISTER, 1, 7, 3)
DATA = bytes([0, 7, 0, 8, 0, 9])
FRAMINGS = {MbapFraming: right_mbap, RtuFraming: right_rtu}
both = pytest.mark.parametrize("kind", list(FRAMINGS), ids=["tcp", "rtu"])


def ask(framing: Framing, kind: type[Framing], question: Question = QUESTION) -> bytes:
    """The right answer to a question that is now open."""
    return FRAMINGS[kind](framing.begin(question))


def mutated(random: Random, frame: bytes) -> bytes:
    """The frame with some bytes changed, dropped, doubled, or noise around it."""
    found = bytearray(frame)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(found) + 1)
        change = random.randrange(5)
        if change == 0 and at < len(found):
            found[at] = random.randrange(256)
        elif change == 1:
            del found[at : at + random.randrange(1, 4)]
        elif change == 2:
            found[at:at] = random.randbytes(random.randrange(1, 9))
        elif change == 3:
            found += found[:at]
        elif change == 4 and at < len(found):
            found[at] ^= 1 << random.randrange(8)
    return bytes(found)


def test_the_checksum_is_that_of_the_specification() -> None:
    assert crc16(bytes.fromhex("010300000001")) == bytes.fromhex("840a")
    assert rtu_frame(0x11, bytes.fromhex("03006b0003")) == bytes.fromhex("1103006b00037687")


@given(st.binary(max_size=300))
def test_it_is_the_one_that_is_computed_bit_by_bit(data: bytes) -> None:
    assert crc16(data) == crc(data)


@both
def test_an_answer_in_any_pieces_is_the_answer(kind: type[Framing]) -> None:
    framing = kind()
    for size in range(1, 14):
        frame = ask(framing, kind)
        outcomes = [framing.feed(frame[at : at + size]) for at in range(0, len(frame), size)]
        assert [outcome for outcome in outcomes if outcome is not None] == [DATA]


@both
def test_an_answer_with_no_question_open_is_dropped(kind: type[Framing]) -> None:
    framing = kind()
    frame = ask(framing, kind)
    assert framing.feed(frame) == DATA
    assert framing.feed(frame) is None
    assert framing.end() == TIMEOUT


@both
def test_mutated_frames_crash_nothing_and_leave_it_able_to_read(kind: type[Framing]) -> None:
    framing, random = kind(), Random(5)
    for _ in range(20_000):
        frame = ask(framing, kind)
        outcome = framing.feed(mutated(random, frame))
        if outcome is None:
            outcome = framing.end()
        assert isinstance(outcome, Failure) or len(outcome) == len(DATA)
    assert len(framing._buffer) <= 2048  # type: ignore[attr-defined]
    framing.reset()
    assert framing.feed(ask(framing, kind)) == DATA


@both
def test_endless_noise_does_not_grow(kind: type[Framing]) -> None:
    framing, random = kind(), Random(7)
    framing.begin(QUESTION)
    for _ in range(2000):
        framing.feed(random.randbytes(500))
    assert len(framing._buffer) <= 2048  # type: ignore[attr-defined]


def test_over_tcp_a_late_answer_never_counts() -> None:
    framing = MbapFraming()
    late = right_mbap(framing.begin(QUESTION))
    framing.end()
    other = right_mbap(framing.begin(Question(Table.HOLDING_REGISTER, 1, 90, 3)))
    assert framing.feed(late) is None
    assert framing.feed(other) == bytes([0, 90, 0, 91, 0, 92])


def test_transaction_numbers_go_round_and_are_never_zero() -> None:
    framing = MbapFraming()
    seen = {framing.begin(QUESTION)[:2] for _ in range(70_000)}
    assert len(seen) == 65_535
    assert b"\0\0" not in seen


def test_on_a_line_a_question_without_an_answer_awaits_a_late_one() -> None:
    framing = RtuFraming()
    frame = ask(framing, RtuFraming)
    framing.end()
    assert framing.awaits_late
    framing.feed(frame[:4])
    assert framing.awaits_late
    framing.feed(frame[4:])
    assert not framing.awaits_late


def test_an_answer_that_was_read_awaits_nothing() -> None:
    framing = RtuFraming()
    framing.feed(ask(framing, RtuFraming))
    assert not framing.awaits_late


def test_another_function_s_answer_is_passed_over_while_the_right_one_may_come() -> None:
    framing = RtuFraming()
    frame = ask(framing, RtuFraming)
    assert framing.feed(rtu_frame(1, bytes([4, 2, 0, 1]))) is None
    assert framing.feed(frame) == DATA
    framing.begin(QUESTION)
    framing.feed(rtu_frame(1, bytes([4, 2, 0, 1])))
    assert framing.end().kind is FailureKind.GARBLED
