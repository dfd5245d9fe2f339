"""Uplinks are judged and decrypted as the LoRaWAN specification says; vectors are those of other implementations."""

import pytest

from streamforge.adapters.lorawan import DataUp, Session, Verdict, key_of, parse
from streamforge.sim.lorawan import APP_SKEY, DEV_ADDR, NWK_SKEY, uplink
from tests.adapters.mutations import FEW, MANY, campaign


def session(counter: int = -1, *, accepts_reset: bool = False) -> Session:
    keys = key_of(NWK_SKEY), key_of(APP_SKEY)
    return Session(int(DEV_ADDR, 16), *keys, counter=counter, accepts_reset=accepts_reset)


def frame(phy: bytes) -> DataUp:
    found = parse(phy)
    assert found is not None
    return found


def take(one: Session, counter: int, payload: bytes = b"x") -> Verdict:
    return one.take(frame(uplink(counter, payload)))


@pytest.mark.parametrize(
    ("phy", "payload"),
    [
        # Published with the lora-packet library (github.com/anthonykirby/lora-packet).
        ("40F17DBE4900020001954378762B11FF0D", b"test"),
        ("40F17DBE49000300012A3518AF", b""),
        (
            "40f17dbe490004000155332de41a11adc072553544429ce7787707d1c316e027e7e5e334263376affb8aa17ad30075293f28dea8a20af3c5e7",
            b"The quick brown fox jumps over the lazy dog.",
        ),
    ],
)
def test_published_vectors(phy: str, payload: bytes) -> None:
    one, found = session(), frame(bytes.fromhex(phy))
    assert f"{found.dev_addr:08x}" == DEV_ADDR
    assert found.port == 1
    assert one.take(found) is Verdict.NEW
    assert one.payload(found) == payload
    assert uplink(found.counter, payload) == bytes.fromhex(phy), "the device of the tests makes the same frame"


def test_a_published_frame_with_a_wrong_mic_is_refused() -> None:
    assert session().take(frame(bytes.fromhex("40F17DBE49000300012A3518AA"))) is Verdict.BAD_MIC


@pytest.mark.parametrize("bit", range(0, 17 * 8, 5))
def test_a_frame_that_was_changed_anywhere_is_refused(bit: int) -> None:
    phy = bytearray(uplink(7, b"test"))
    phy[bit // 8] ^= 1 << bit % 8
    found = parse(bytes(phy))
    assert found is None or session(6).take(found) is Verdict.BAD_MIC or found.dev_addr != int(DEV_ADDR, 16)


@pytest.mark.parametrize("counter", [0, 1, 65_535, 65_536, 65_600, 2**32 - 1])
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 222])
def test_payloads_of_any_length_and_counter_are_decrypted(counter: int, length: int) -> None:
    payload = bytes(range(length))
    one, found = session(max(-1, counter - 1)), frame(uplink(counter, payload, 10))
    assert (one.take(found), one.payload(found), one.counter) == (Verdict.NEW, payload, counter)


def test_the_counter_goes_on_where_its_sixteen_bits_go_round() -> None:
    one = session(65_534)
    assert [take(one, counter) for counter in (65_535, 65_536, 65_600)] == [Verdict.NEW] * 3
    assert (one.counter, one.lost) == (65_600, 63)
    assert take(one, 131_071) is Verdict.NEW


def test_a_device_that_is_heard_first_after_many_rounds_is_found() -> None:
    one = session()
    assert (take(one, 65_536 * 15 + 3), one.counter, one.lost) == (Verdict.NEW, 65_536 * 15 + 3, 0)
    assert take(session(), 65_536 * 16) is Verdict.BAD_MIC


@pytest.mark.parametrize("last", [10, 70_000])
def test_what_came_before_is_refused(last: int) -> None:
    one = session(last)
    assert take(one, last) is Verdict.REPEATED
    assert [take(one, counter) for counter in (last - 1, last - 9)] == [Verdict.REPLAYED] * 2
    assert one.counter == last
    assert take(session(65_536 + 10), 10) is Verdict.REPLAYED, "the same sixteen bits, a round before"


def test_a_device_that_was_restarted_is_refused_unless_that_is_allowed() -> None:
    assert take(session(70_000), 3) is Verdict.REPLAYED
    one = session(70_000, accepts_reset=True)
    assert [take(one, counter) for counter in (3, 4)] == [Verdict.NEW] * 2
    assert one.counter == 4


def test_a_forged_frame_with_the_last_counter_is_no_repetition() -> None:
    assert session(7).take(frame(uplink(7, b"x", nwk_skey="00" * 16))) is Verdict.BAD_MIC


def test_commands_of_the_mac_layer_are_no_payload() -> None:
    one = session()
    for found in (frame(uplink(1, b"\x02", 0)), frame(uplink(2, b"", None, options=b"\x03\x07"))):
        assert one.take(found) is Verdict.NEW
        assert one.payload(found) is None
    confirmed = frame(uplink(3, b"abc", 5, options=b"\x03\x07", mhdr=0x80))
    assert (one.take(confirmed), one.payload(confirmed), confirmed.port) == (Verdict.NEW, b"abc", 5)


@pytest.mark.parametrize("phy", ["", "00" * 23, "60f17dbe4920020001f9d65d27", "e0010203", "41" + "00" * 12])
def test_joins_downlinks_and_others_are_no_uplink(phy: str) -> None:
    assert parse(bytes.fromhex(phy)) is None


@pytest.mark.parametrize(
    "phy", [b"\x40", b"\x40" + bytes(10), b"\x40" + bytes(4) + b"\x0f" + bytes(20), b"\x40" + bytes(255)]
)
def test_a_frame_of_an_impossible_length_is_an_error(phy: bytes) -> None:
    with pytest.raises(ValueError, match="an uplink of"):
        parse(phy)


def test_a_key_has_sixteen_bytes_and_is_never_shown() -> None:
    for wrong in ("", "00", "zz" * 16, NWK_SKEY + "00"):
        with pytest.raises(ValueError, match="32 hexadecimal digits") as caught:
            key_of(wrong)
        assert not wrong or wrong not in str(caught.value)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_frames_are_refused_and_nothing_grows(count: int) -> None:
    good = [uplink(counter, bytes(counter % 50), counter % 3 or None) for counter in range(1, 40)]
    known = set(good)
    one = session(1000)

    def feed(phy: bytes) -> None:
        try:
            found = parse(phy)
        except ValueError:
            return
        if found is not None and found.dev_addr == one.dev_addr:
            verdict = one.take(found)
            assert verdict is (Verdict.REPLAYED if phy in known else Verdict.BAD_MIC)

    campaign(good, count, feed)
