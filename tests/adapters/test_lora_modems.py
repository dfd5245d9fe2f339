"""What LoRa modems say on their serial line, by their manuals and by what firmwares were seen to say."""

import pytest

from streamforge.adapters.crc16 import crc16
from streamforge.adapters.lora_modems import E22, MOST_LINE_BYTES, Heard, Modem, Rak, Rn2483
from tests.adapters.mutations import FEW, MANY, campaign


def said(modem: Modem, text: str) -> list[Heard]:
    return modem.feed(text.replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    "text",
    [
        "+EVT:RXP2P:-60:11:AABBCCDD\n",
        "+EVT:RXP2P:-60:11:4:AABBCCDD\n",
        "+EVT:RXP2P:RSSI -60:SNR 11:aabbccdd\n",
        "+EVT:RXP2P, RSSI -60, SNR 11\n+EVT:AABBCCDD\n",
        "OK\n\n+EVT:RXP2P,-60,11,AABBCCDD\n",
    ],
)
def test_rak_firmwares_say_the_same_in_several_ways(text: str) -> None:
    assert said(Rak(), text) == [Heard(payload=b"\xaa\xbb\xcc\xdd", rssi_dbm=-60, snr_db=11)]


def test_digits_alone_are_a_payload_and_no_length() -> None:
    (heard,) = said(Rak(), "+EVT:RXP2P:-40:6:20000000419C0000000101000100\n")
    assert heard.payload == bytes.fromhex("20000000419C0000000101000100")


def test_rak_is_told_to_receive_again_after_a_time_out() -> None:
    rak = Rak()
    assert list(rak.greeting) == [b"AT+PRECV=65534\r\n"]
    assert said(rak, "+EVT:RXP2P RECEIVE TIMEOUT\n") == []
    assert (rak.replies(), rak.replies()) == ([b"AT+PRECV=65534\r\n"], [])
    assert said(rak, "AT_BUSY_ERROR\n+EVT:RXP2P:-4:6:ABC\n+EVT:AABB\n+EVT:TXP2P DONE\n") == []
    assert rak.errors == 2, "an error and a payload of half a byte; data without an event before it is none"


def test_rn2483_is_asked_how_well_it_heard_and_told_to_receive_again() -> None:
    modem = Rn2483()
    assert said(modem, "4294967245\nok\n") == []
    assert said(modem, "radio_rx  48656C6C6F\n") == [Heard(payload=b"Hello")]
    assert modem.replies() == [b"radio get snr\r\n"]
    assert said(modem, "-12\n") == [Heard(snr_db=-12)]
    assert modem.replies() == [b"radio rx 0\r\n"]
    assert said(modem, "ok\nradio_err\n") == []
    assert modem.replies() == [b"radio rx 0\r\n"]
    assert said(modem, "busy\n7\n") == []
    assert (modem.replies(), modem.errors) == ([], 1)


@pytest.mark.parametrize("modem", [Rak(), Rn2483()])
def test_a_line_in_pieces_is_one_line_and_an_endless_one_is_given_up(modem: Modem) -> None:
    text = "+EVT:RXP2P:-60:11:AABB\r\nradio_rx  AABB\r\n"
    heard = [one for byte in text for one in modem.feed(byte.encode())]
    assert [one.payload for one in heard] == [b"\xaa\xbb"]
    modem.feed(b"x" * (MOST_LINE_BYTES + 1))
    assert modem.errors == 1
    assert modem._buffer == b""  # type: ignore[attr-defined]


def test_the_checksum_is_that_of_modbus() -> None:
    assert crc16(b"123456789") == b"\x37\x4b"


def framed(payload: bytes) -> bytes:
    whole = bytes([len(payload)]) + payload
    return whole + crc16(whole)


def test_e22_messages_end_where_their_length_says() -> None:
    assert E22(has_crc=False).feed(b"\x02ab\x03cde\x01") == [Heard(payload=b"ab"), Heard(payload=b"cde")]
    modem = E22(has_crc=False)
    assert [one for byte in b"\x02ab" for one in modem.feed(bytes([byte]))] == [Heard(payload=b"ab")]
    modem.feed(b"\x09ab")
    modem.idle()
    assert modem.feed(b"\x01z") == [Heard(payload=b"z")]
    assert modem.errors == 1


@pytest.mark.parametrize("garbage", [b"\x00", b"\x03", b"\x02ab\x00\x00", b"\xff"])
def test_e22_finds_the_next_message_after_garbage(garbage: bytes) -> None:
    modem = E22(has_crc=True)
    heard = modem.feed(garbage + framed(b"first") + framed(b"second") * 60)
    assert heard[-1] == Heard(payload=b"second")
    waiting = E22(has_crc=True)
    assert [*waiting.feed(garbage + framed(b"first")), *waiting.idle()] == [Heard(payload=b"first")]


@pytest.mark.parametrize("make", [Rak, Rn2483, lambda: E22(has_crc=True), lambda: E22(has_crc=False)])
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_lines_neither_crash_nor_stick_nor_grow(make: type[Modem], count: int) -> None:
    modem = make()

    def feed(line: bytes) -> None:
        modem.feed(line)
        modem.replies()
        assert len(modem._buffer) <= MOST_LINE_BYTES  # type: ignore[attr-defined]

    campaign([b"+EVT:RXP2P:-60:11:4:AABBCCDD\r\n", b"radio_rx  4865\r\n-4\r\n", framed(b"abc"), b"\x02ab"], count, feed)
    modem.feed(b"\n")
    modem.idle()
    end = {"Rak": b"+EVT:RXP2P:-6:1:AA\n", "Rn2483": b"radio_rx AA\n", "E22": framed(b"\xaa")}[type(modem).__name__]
    assert Heard(payload=b"\xaa", rssi_dbm=-6, snr_db=1) in (found := modem.feed(end)) or found[0].payload == b"\xaa"
