"""Messages of network servers, as their documentation shows them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from streamforge.adapters.lora_config import LoraConfig, LoraDevice, LoraRow, LoraSource
from streamforge.adapters.lora_devices import LoraNode, ServerDevices
from streamforge.adapters.lora_servers import MAPPINGS, MOST_FIELDS, Uplink, from_chirpstack, from_ttn
from streamforge.adapters.tags import DataType
from tests.adapters.mutations import FEW, MANY, campaign
from tests.adapters.radio_peers import shown

CHIRPSTACK: dict[str, Any] = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2022-07-18T09:34:15.775023242+00:00",
    "deviceInfo": {
        "applicationName": "tanks",
        "deviceName": "tank 7",
        "devEui": "0101010101010101",
        "tags": {"k": "v"},
    },
    "devAddr": "00189440",
    "dr": 1,
    "fCnt": 65600,
    "fPort": 2,
    "data": "qg==",
    "object": {"level": 3.5, "door": True, "text": "ok", "tank": {"parts": [1, {"Deep": 2}]}, "nothing": None},
    "rxInfo": [
        {"gatewayId": "0016c001f153a14c", "rssi": -100, "snr": -3.5, "gwTime": "2022-07-18T09:34:15.700000Z"},
        {"gatewayId": "0016c001f153a14d", "rssi": -36, "snr": 10.5},
    ],
}
TTN: dict[str, Any] = {
    "end_device_ids": {"device_id": "dev1", "dev_eui": "0004A30B001C0530", "dev_addr": "00BCB929"},
    "received_at": "2020-02-12T15:15:46.100000Z",
    "uplink_message": {
        "f_port": 1,
        "frm_payload": "gkHe",
        "decoded_payload": {"temperature": 1.0, "luminosity": 0.64},
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "gtw1"}, "rssi": -35, "snr": 5, "time": "2020-02-12T15:15:45.787Z"}
        ],
        "received_at": "2020-02-12T15:15:45.999Z",
    },
}
Mapping = Callable[[bytes], Uplink]


def message(raw: dict[str, Any], **changes: object) -> bytes:
    return json.dumps({key: value for key, value in {**raw, **changes}.items() if value is not None}).encode()


def test_chirpstack() -> None:
    assert from_chirpstack(message(CHIRPSTACK)) == Uplink(
        dev_eui="0101010101010101",
        port=2,
        payload=b"\xaa",
        name="tank 7",
        fields={
            "RSSI": -36.0, "SNR": 10.5, "FCNT": 65600, "OBJECT.LEVEL": 3.5, "OBJECT.DOOR": True, "OBJECT.TEXT": "ok",
            "OBJECT.NOTHING": None, "OBJECT.TANK.PARTS.0": 1, "OBJECT.TANK.PARTS.1.DEEP": 2,
        },
        time_us=1_658_136_855_700_000,
    )  # fmt: skip


def test_ttn() -> None:
    assert from_ttn(message(TTN)) == Uplink(
        dev_eui="0004a30b001c0530",
        port=1,
        payload=b"\x82\x41\xde",
        name="dev1",
        fields={"RSSI": -35.0, "SNR": 5.0, "FCNT": 0, "OBJECT.TEMPERATURE": 1.0, "OBJECT.LUMINOSITY": 0.64},
        time_us=1_581_520_545_787_000,
    )


def test_what_is_0_or_empty_is_left_out_by_both() -> None:
    bare = from_chirpstack(message(CHIRPSTACK, fCnt=None, fPort=None, data=None, object=None, rxInfo=None))
    assert (bare.port, bare.payload, dict(bare.fields), bare.time_us) == (0, None, {"FCNT": 0}, 1_658_136_855_775_023)
    ids = TTN["end_device_ids"]
    empty = from_ttn(json.dumps({"end_device_ids": ids, "uplink_message": {}}).encode())
    assert (empty.port, empty.payload, dict(empty.fields), empty.time_us) == (0, None, {"FCNT": 0}, 0)


def devices(*rows: LoraRow) -> ServerDevices:
    device = LoraDevice(asset_id="tank", dev_eui="0101010101010101", tags=rows)
    config = LoraConfig(source=LoraSource(transport="serial", lora_port="/p"), devices=(device,))
    return ServerDevices([LoraNode(device, config)])


def test_an_uplink_becomes_readings_of_registers_of_the_decoded_object_and_of_the_signal_by_port() -> None:
    found = devices(
        LoraRow(param="code", at="HR0.hi", type=DataType.UINT8, fport=2),
        LoraRow(param="level", at="OBJECT.level", unit="m"),
        LoraRow(param="door", at="object.door", type=DataType.BOOL),
        LoraRow(param="text", at="OBJECT.text", type=DataType.STRING),
        LoraRow(param="deep", at="OBJECT.tank.parts.1.Deep"),
        LoraRow(param="other", at="40001", fport=3),
        LoraRow(param="snr", at="SNR"),
        LoraRow(param="missing", at="OBJECT.absent"),
    ).take(from_chirpstack(message(CHIRPSTACK)), 1)
    assert found is not None
    assert [shown(batch) for batch in found] == [
        {"asset_id": "tank", "values": {"code": 0xAA, "level": 3.5, "door": 1, "text": "ok", "deep": 2, "snr": 10.5}}
    ]
    assert found[0].device_times_us == (1_658_136_855_700_000,)


def test_a_decoded_value_of_another_type_is_bad_and_a_device_that_no_row_names_is_none() -> None:
    one = devices(LoraRow(param="text", at="OBJECT.TEXT"))
    found = one.take(from_chirpstack(message(CHIRPSTACK)), 1)
    assert found is not None
    assert [batch.reasons for batch in found] == [{0: "wrong_type"}]
    assert one.take(from_ttn(message(TTN)), 1) is None


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"{}", b'{"deviceInfo":{"devEui":"zz"},"uplink_message":{}}']
)
def test_another_message_is_an_error(mapping: Mapping, raw: bytes) -> None:
    with pytest.raises(ValueError, match="no "):
        mapping(raw)


def test_a_payload_that_is_no_base64_is_an_error() -> None:
    for data in ("***", 7, "\u00e9"):
        with pytest.raises(ValueError, match="no base64"):
            from_chirpstack(message(CHIRPSTACK, data=data))


def test_no_more_is_looked_at_than_a_device_can_say() -> None:
    wide = from_chirpstack(message(CHIRPSTACK, object={f"f{number}": number for number in range(5000)}))
    assert len(wide.fields) <= MOST_FIELDS + 3
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    assert len(from_chirpstack(message(CHIRPSTACK, object=deep)).fields) == 3


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_messages_are_uplinks_or_errors(mapping: Mapping, count: int) -> None:
    def feed(raw: bytes) -> None:
        try:
            mapping(raw)
        except ValueError:
            return

    campaign(
        [message(CHIRPSTACK), message(TTN), message(CHIRPSTACK, fCnt=1e300, rxInfo=[{"rssi": 1e308}])], count, feed
    )
