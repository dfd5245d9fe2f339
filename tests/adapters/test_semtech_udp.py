"""Datagrams of packet forwarders, by Semtech's PROTOCOL.TXT and what gateways in the field make of it."""

import json

import pytest

from streamforge.adapters.semtech_udp import PULL_DATA, PUSH_DATA, TX_ACK, Reception, parse, receptions, time_us_of
from streamforge.sim.lorawan import GATEWAY, push_data, uplink
from tests.adapters.mutations import FEW, MANY, campaign

# The first example of the protocol's own text, shortened to what is read.
EXAMPLE = (
    '{"rxpk":[{"time":"2013-03-31T16:21:17.528002Z","tmst":3512348611,"chan":2,"rfch":0,"freq":866.349812,"stat":1,'
    '"modu":"LORA","datr":"SF7BW125","codr":"4/6","rssi":-35,"lsnr":5.1,"size":32,'
    '"data":"-DS4CGaDCdG+48eJNM3Vai-zDpsR71Pn9CPA9uCON84"},'
    '{"time":"2013-03-31T16:21:17.530974Z","tmst":3512348514,"stat":1,"modu":"FSK","datr":50000,"rssi":-75,"size":16,'
    '"data":"VEVTVF9QQUNLRVRfMTIzNA=="},'
    '{"time":"2013-03-31T16:21:17.532038Z","tmst":3316387610,"stat":1,"modu":"LORA","rssi":-38,"lsnr":5.5,"size":32,'
    '"data":"ysgRl452xNLep9S1NTIg2lomKDxUgn3DJ7DE+b00Ass="}]}'
)


def test_push_and_pull_are_acknowledged_with_their_token() -> None:
    push = parse(push_data(uplink(1, b"x")))
    assert (push.kind, push.gateway, push.acknowledgement) == (PUSH_DATA, GATEWAY, b"\x02\x12\x34\x01")
    pull = parse(b"\x01\xab\xcd\x02" + bytes.fromhex(GATEWAY))
    assert (pull.kind, pull.acknowledgement) == (PULL_DATA, b"\x01\xab\xcd\x04")
    sent = parse(b"\x02\xab\xcd\x05" + bytes.fromhex(GATEWAY))
    assert (sent.kind, sent.acknowledgement) == (TX_ACK, b"")


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\x02\x00\x00\x00", b"\x03\0\0\0" + bytes(8), b"\x02\0\0\x03" + bytes(8), b"\x02\0\0\x01" + bytes(8)],
)
def test_other_datagrams_are_errors(datagram: bytes) -> None:
    with pytest.raises(ValueError, match="no datagram of a packet forwarder"):
        parse(datagram)


def test_the_example_of_the_protocol() -> None:
    found, others = receptions(EXAMPLE.encode())
    assert [(one.rssi_dbm, one.snr_db, len(one.phy)) for one in found] == [(-38, 5.5, 32)]
    assert others == 2, "one is FSK, one is no base64 as it is specified"
    assert found[0].time_us == 1_364_746_877_532_038


def test_only_receptions_with_a_good_checksum_count() -> None:
    packets = [{"stat": -1, "data": "QQ=="}, {"stat": 0, "data": "QQ=="}, {"data": "QQ=="}, {"stat": 1, "data": ""}, 7]
    found, others = receptions(json.dumps({"rxpk": packets, "stat": {"rxnb": 2}}).encode())
    assert found == [Reception(phy=b"A")]
    assert others == 4


def test_a_status_of_the_gateway_alone_is_no_reception() -> None:
    assert receptions(b'{"stat":{"time":"2014-01-12 08:59:28 GMT","rxnb":2}}') == ([], 0)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"rxpk":{}}', b"\xff\xfe", b"[" * 5000])
def test_what_is_no_push_data_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="PUSH_DATA"):
        receptions(body)


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T02:00:01.000002+02:00", 1_000_002),
        ("2020-02-12T15:15:45.787678123Z", 1_581_520_545_787_678),
        ("2020-02-12T15:15:45", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59+00:00", 253_402_300_799_000_000),
        ("soon", 0),
        (12, 0),
        (None, 0),
    ],
)
def test_times_have_a_zone_or_are_none(text: object, time_us: int) -> None:
    assert time_us_of(text) == time_us


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_datagrams_are_receptions_or_errors(count: int) -> None:
    def feed(datagram: bytes) -> None:
        try:
            receptions(parse(datagram).body)
        except ValueError:
            return

    head = b"\x02\x12\x34\x00" + bytes.fromhex(GATEWAY)
    campaign(
        [push_data(uplink(1, b"x"), uplink(2, b"y")), head + EXAMPLE.encode(), head[:3] + b"\x02" + head[4:]],
        count,
        feed,
    )
