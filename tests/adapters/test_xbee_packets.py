"""Frames say the same to us as to Digi's own library."""

import struct
from typing import Any

import pytest
from digi.xbee.io import IOLine
from digi.xbee.models.address import XBee16BitAddress, XBee64BitAddress
from digi.xbee.models.status import ATCommandStatus, ModemStatus, TransmitStatus
from digi.xbee.packets import common
from digi.xbee.packets.factory import build_frame

from streamforge.adapters.xbee_frames import FrameReader, frame
from streamforge.adapters.xbee_packets import (
    ANALOG_PINS,
    DIGITAL_PINS,
    SUPPLY,
    Answer,
    Data,
    Endpoints,
    Node,
    Packet,
    Sample,
    Status,
    discovered,
    parse,
    pins_of,
    query,
)
from tests.adapters.mutations import FEW, MANY, campaign

ADDRESS = 0x0013A20041112233
FAR, NEAR = XBee64BitAddress.from_hex_string("0013A20041112233"), XBee16BitAddress.from_hex_string("1234")
IO_BODY = b"\x01\x1c\x03\x8f\x14\x01" + struct.pack(">5H", 100, 200, 300, 400, 3300)


def ours(packet: Any) -> Packet | None:
    (body,) = FrameReader(is_escaped=False).feed(bytes(packet.output()))
    return parse(body)


def test_received_data() -> None:
    assert ours(common.ReceivePacket(FAR, NEAR, 0x01, bytearray(b"abc"))) == Data(
        node=ADDRESS, payload=b"abc", options=1
    )


def test_explicit_data_says_which_application_it_is_for() -> None:
    packet = common.ExplicitRXIndicatorPacket(FAR, NEAR, 0xE8, 0xE9, 0x0011, 0xC105, 0x02, bytearray(b"abc"))
    endpoints = Endpoints(source=0xE8, destination=0xE9, cluster=0x11, profile=0xC105)
    assert ours(packet) == Data(node=ADDRESS, payload=b"abc", options=2, endpoints=endpoints)


def test_pins_of_an_io_sample() -> None:
    packet = common.IODataSampleRxIndicatorPacket(FAR, NEAR, 0x01, bytearray(IO_BODY))
    sample = ours(packet)
    assert isinstance(sample, Sample)
    theirs = packet.io_sample
    lines = {name: IOLine.get(number) for number, name in enumerate(DIGITAL_PINS)}
    digital = {
        name: theirs.get_digital_value(line).code - 4 for name, line in lines.items() if theirs.has_digital_value(line)
    }
    analog = {
        name: theirs.get_analog_value(IOLine.get(number))
        for number, name in enumerate(ANALOG_PINS)
        if theirs.has_analog_value(IOLine.get(number))
    }
    assert sample.pins == {**digital, **analog, SUPPLY: theirs.power_supply_value}
    assert sample.pins == {
        "D0": 1, "D1": 0, "D10": 1, "D11": 0, "D12": 1, "A0": 100, "A1": 200, "A2": 300, "A3": 400, "SUPPLY": 3300,
    }  # fmt: skip


def test_pins_without_a_digital_one_have_no_digital_bytes() -> None:
    assert pins_of(b"\x01\x00\x00\x02\x03\x00") == {"A1": 0x300}
    assert pins_of(b"\x01\x00\x00\x00") == {}


@pytest.mark.parametrize("cut", range(len(IO_BODY)))
def test_a_sample_that_is_cut_short_is_an_error_and_no_zero(cut: int) -> None:
    with pytest.raises(ValueError, match="IO sample has"):
        pins_of(IO_BODY[:cut])


def test_answers_of_the_module_and_of_a_remote_one() -> None:
    local = common.ATCommResponsePacket(7, "DB", ATCommandStatus.OK, bytearray(b"\x46"))
    assert ours(local) == Answer(command="DB", status=0, data=b"\x46", frame_id=7)
    refused = common.ATCommResponsePacket(7, "ZZ", ATCommandStatus.INVALID_COMMAND)
    assert ours(refused) == Answer(command="ZZ", status=2, data=b"", frame_id=7)
    remote = common.RemoteATCommandResponsePacket(9, FAR, NEAR, "NI", ATCommandStatus.OK, bytearray(b"TANK 7"))
    assert ours(remote) == Answer(command="NI", status=0, data=b"TANK 7", node=ADDRESS, frame_id=9)
    sampled = common.RemoteATCommandResponsePacket(9, FAR, NEAR, "IS", ATCommandStatus.OK, bytearray(IO_BODY))
    assert ours(sampled) == Sample(node=ADDRESS, pins=pins_of(IO_BODY))


def test_states() -> None:
    assert ours(common.ModemStatusPacket(ModemStatus.COORDINATOR_STARTED)) == Status(code=6)
    sent = common.TransmitStatusPacket(3, NEAR, 2, TransmitStatus.ADDRESS_NOT_FOUND)
    assert ours(sent) == Status(code=0x24, is_delivery=True)


def test_a_node_says_its_name() -> None:
    """The example of Digi's frame description of 0x95."""
    body = bytes.fromhex("95 0013A20040522BAA 7D84 02 7D84 0013A20040522BAA 2000 FFFE 01 01 C105 101E")
    assert parse(body) == Node(node=0x0013A20040522BAA, name="")
    named = body.replace(bytes.fromhex("2000"), b"TANK 7\x00")
    assert parse(named) == Node(node=0x0013A20040522BAA, name="TANK 7")


def test_a_discovery_is_answered_in_two_ways() -> None:
    zigbee = bytes.fromhex("1234 0013A200 41112233") + b"TANK 7\0" + bytes.fromhex("FFFE 01 00 C105 101E")
    assert discovered(zigbee) == Node(node=ADDRESS, name="TANK 7")
    old = bytes.fromhex("1234 0013A200 41112233 28") + b"TANK 7\0"
    assert discovered(old) == Node(node=ADDRESS, name="TANK 7", rssi_dbm=-40)
    with pytest.raises(ValueError, match="needs at least 11"):
        discovered(zigbee[:10])


def test_other_frames_are_none_of_ours() -> None:
    assert parse(b"\xa1\x00") is None
    assert parse(b"") is None


@pytest.mark.parametrize("kind", [0x88, 0x8A, 0x8B, 0x90, 0x91, 0x92, 0x95, 0x97])
def test_a_frame_that_is_cut_short_is_an_error(kind: int) -> None:
    with pytest.raises(ValueError, match=f"0x{kind:02X} has 1 bytes"):
        parse(bytes([kind]))


def test_a_query_sets_nothing() -> None:
    packet = build_frame(bytearray(frame(query("DB", 5))))
    assert (packet.command, packet.frame_id, packet.parameter) == ("DB", 5, None)
    for wrong in (("DBX", 1), ("DB", 0), ("DB", 256)):
        with pytest.raises(ValueError, match="no AT command"):
            query(*wrong)


@pytest.mark.parametrize("command", ["RE", "WR", "FR", "NR", "AC", "CN", "DA", "SI", "%P"])
def test_a_command_that_acts_without_a_value_is_not_made(command: str) -> None:
    with pytest.raises(ValueError, match="no AT command that only asks"):
        query(command, 5)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_frames_are_packets_or_errors(count: int) -> None:
    good = [
        bytes([0x90]) + bytes(20),
        bytes([0x91]) + bytes(24),
        bytes([0x92]) + bytes(11) + IO_BODY,
        bytes([0x95]) + bytes(30),
        bytes([0x97]) + bytes(11) + b"IS\0" + IO_BODY,
        b"\x88\x01ND\x00" + bytes(20),
        b"\x8a\x00",
        bytes([0x8B]) + bytes(6),
    ]

    def take(body: bytes) -> None:
        try:
            packet = parse(body)
            if isinstance(packet, Answer) and packet.command == "ND":
                discovered(packet.data)
        except ValueError:
            pass

    campaign(good, count, take)
