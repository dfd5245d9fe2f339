"""The frame reader finds every good frame, however the line cuts them and whatever stands between."""

import random

import pytest
from digi.xbee.models.address import XBee16BitAddress, XBee64BitAddress
from digi.xbee.models.mode import OperatingMode
from digi.xbee.packets.common import ReceivePacket

from streamforge.adapters.xbee_frames import MOST_BYTES, FrameReader, frame
from tests.adapters.mutations import FEW, MANY, campaign

BOTH = pytest.mark.parametrize("is_escaped", [False, True], ids=["mode1", "mode2"])
# Every byte that mode 2 escapes, as payload and as checksum.
BODIES = [
    b"\x90\x7e\x7d\x11\x13",
    b"\x8a\x00",
    b"\x90" + bytes(range(256)),
    b"\x90" + b"\x7e" * 40,
    b"\x81\x00",
    b"\xee",
]


@BOTH
def test_every_cut_of_the_line_gives_the_same_frames(is_escaped: bool) -> None:
    line = b"".join(frame(body, is_escaped=is_escaped) for body in BODIES)
    for size in (1, 2, 3, 7, len(line)):
        reader = FrameReader(is_escaped=is_escaped)
        found = [one for at in range(0, len(line), size) for one in reader.feed(line[at : at + size])]
        assert found == BODIES
        assert (reader.frames, reader.garbage_bytes, reader.checksum_errors, reader.is_waiting) == (6, 0, 0, False)


@BOTH
def test_the_bytes_are_those_of_an_independent_implementation(is_escaped: bool) -> None:
    mode = OperatingMode.ESCAPED_API_MODE if is_escaped else OperatingMode.API_MODE
    packet = ReceivePacket(
        XBee64BitAddress.from_hex_string("0013A2004111227E"),
        XBee16BitAddress.from_hex_string("FFFE"),
        0x7D,
        bytearray(b"\x11\x13\x7e"),
        op_mode=mode,
    )
    theirs = bytes(packet.output(escaped=is_escaped))
    (body,) = FrameReader(is_escaped=is_escaped).feed(theirs)
    assert frame(body, is_escaped=is_escaped) == theirs


@BOTH
@pytest.mark.parametrize(
    "garbage", [b"\x00\xff", b"\x7e", b"\x7e\x00", b"\x7e\x00\x05ab", b"\x7e\xff\xff", b"\x7e\x00\x00"]
)
def test_garbage_before_a_frame_costs_no_frame(is_escaped: bool, garbage: bytes) -> None:
    reader = FrameReader(is_escaped=is_escaped)
    line = garbage + b"".join(frame(body, is_escaped=is_escaped) for body in BODIES)
    assert reader.feed(line) + reader.idle() == BODIES
    assert reader.garbage_bytes >= len(garbage)


@BOTH
def test_a_bad_checksum_costs_that_frame_alone(is_escaped: bool) -> None:
    bad = bytearray(frame(b"\x8a\x05\x06", is_escaped=is_escaped))
    bad[-1] ^= 0x20
    reader = FrameReader(is_escaped=is_escaped)
    good = frame(b"\x8a\x00", is_escaped=is_escaped)
    assert reader.feed(good + bytes(bad) + good) == [b"\x8a\x00", b"\x8a\x00"]
    assert reader.checksum_errors == 1


@BOTH
def test_a_frame_that_never_ends_is_given_up_when_the_line_is_silent(is_escaped: bool) -> None:
    reader = FrameReader(is_escaped=is_escaped)
    assert reader.feed(frame(bytes(100), is_escaped=is_escaped)[:50]) == []
    assert reader.is_waiting
    assert reader.idle() == []
    assert not reader.is_waiting
    assert reader.feed(frame(b"\x8a\x00", is_escaped=is_escaped)) == [b"\x8a\x00"]


def test_a_delimiter_in_the_data_of_a_cut_frame_does_not_hide_the_next_one() -> None:
    """Mode 1: the false begin asks for many bytes; the good frames that it swallowed come out when it fails."""
    good = frame(b"\x8a\x06")
    reader = FrameReader(is_escaped=False)
    found = reader.feed(b"\x7e\x00\x20" + good * 10)
    assert found == [b"\x8a\x06"] * 10


def test_a_frame_that_a_new_delimiter_cuts_is_dropped_at_once_in_mode_2() -> None:
    reader = FrameReader(is_escaped=True)
    assert reader.feed(b"\x7e\x00\x20ab" + frame(b"\x8a\x06", is_escaped=True)) == [b"\x8a\x06"]


@BOTH
def test_random_lines_lose_no_frame_that_follows_silence(is_escaped: bool) -> None:
    chance = random.Random(5)
    for _ in range(300):
        reader = FrameReader(is_escaped=is_escaped)
        reader.feed(chance.randbytes(chance.randrange(600)))
        reader.idle()
        body = chance.randbytes(chance.randint(1, MOST_BYTES))
        assert reader.feed(frame(body, is_escaped=is_escaped))[-1] == body


@BOTH
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_frames_neither_crash_nor_stick_nor_grow(is_escaped: bool, count: int) -> None:
    reader = FrameReader(is_escaped=is_escaped)

    def take(line: bytes) -> None:
        for body in reader.feed(line):
            assert 0 < len(body) <= MOST_BYTES
        assert len(reader._buffer) <= 2 * MOST_BYTES + 8

    campaign([frame(body, is_escaped=is_escaped) for body in BODIES], count, take)
    reader.idle()
    assert reader.feed(frame(b"\x8a\x00", is_escaped=is_escaped)) == [b"\x8a\x00"]
