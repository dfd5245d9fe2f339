"""What LoRaWAN network servers publish over MQTT, as uplinks: ChirpStack v4 and The Things Stack (TTN) v3.

Both leave out what is 0 or empty. Pure: the JSON of one message in, an uplink out.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from streamforge.adapters.semtech_udp import number, time_us_of
from streamforge.model import Value

TOPICS = {"chirpstack": "application/+/device/+/event/up", "ttn": "v3/+/devices/+/up"}
# Of what a server's own decoder makes of a payload, no more is looked at.
MOST_FIELDS, MOST_DEPTH = 256, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """One message of one device; `name` is what people call it at the server.

    `fields` hold RSSI, SNR, FCNT, and OBJECT.<path> of what the server decoded.
    """

    dev_eui: str
    port: int
    payload: bytes | None
    name: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)
    time_us: int = 0


def from_chirpstack(message: bytes) -> Uplink:
    """An event `up` of ChirpStack v4. Raises ValueError where it is none."""
    raw = _object(message)
    device = _table(raw.get("deviceInfo"))
    receptions = _list(raw.get("rxInfo"))
    return Uplink(
        dev_eui=_dev_eui(device.get("devEui")),
        port=_whole(raw.get("fPort")),
        payload=_bytes(raw.get("data")),
        name=_text(device.get("deviceName")),
        fields={
            **_strongest(receptions),
            "FCNT": _whole(raw.get("fCnt")),
            **_flat(raw.get("object")),
        },
        time_us=_earliest(receptions, "gwTime") or time_us_of(raw.get("time")),
    )


def from_ttn(message: bytes) -> Uplink:
    """An uplink message of The Things Stack v3. Raises ValueError where it is none."""
    raw = _object(message)
    ids, uplink = _table(raw.get("end_device_ids")), raw.get("uplink_message")
    if not isinstance(uplink, dict):
        msg = "no uplink_message: this is another kind of message"
        raise ValueError(msg)
    receptions = _list(uplink.get("rx_metadata"))
    return Uplink(
        dev_eui=_dev_eui(ids.get("dev_eui")),
        port=_whole(uplink.get("f_port")),
        payload=_bytes(uplink.get("frm_payload")),
        name=_text(ids.get("device_id")),
        fields={
            **_strongest(receptions),
            "FCNT": _whole(uplink.get("f_cnt")),
            **_flat(uplink.get("decoded_payload")),
        },
        time_us=_earliest(receptions, "time") or time_us_of(uplink.get("received_at")),
    )


MAPPINGS = {"chirpstack": from_chirpstack, "ttn": from_ttn}


def _object(message: bytes) -> dict[str, Any]:
    try:
        raw = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        msg = f"no JSON: {error}"
        raise ValueError(msg) from None
    if not isinstance(raw, dict):
        msg = f"no JSON object but {type(raw).__name__}"
        raise ValueError(msg)
    return raw


def _table(raw: object) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _text(raw: object) -> str:
    return raw if isinstance(raw, str) else ""


def _list(raw: object) -> list[dict[str, Any]]:
    return [item for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []


def _whole(raw: object) -> int:
    """A whole number; one that is left out is 0."""
    value = number(raw)
    return int(value) if value is not None and value.is_integer() else 0


def _dev_eui(raw: object) -> str:
    text = raw.lower() if isinstance(raw, str) else ""
    if len(text) != 16 or not set(text) <= set("0123456789abcdef"):
        msg = f"no DevEUI of 16 hexadecimal digits but {str(raw)[:40]!r}"
        raise ValueError(msg)
    return text


def _bytes(raw: object) -> bytes | None:
    """Base64; None where there is no payload."""
    if raw is None:
        return None
    try:
        return b64decode(raw, validate=True) if isinstance(raw, str) else _no_bytes()
    except (binascii.Error, ValueError):
        return _no_bytes()


def _no_bytes() -> bytes:
    msg = "the payload is no base64"
    raise ValueError(msg)


def _strongest(receptions: list[dict[str, Any]]) -> dict[str, float]:
    """Signal of the gateway that heard it best; a strength of 0 is one that was left out."""
    heard = [(number(one.get("rssi")), number(one.get("snr"))) for one in receptions]
    strengths = [(rssi, snr) for rssi, snr in heard if rssi]
    if not strengths:
        return {}
    rssi, snr = max(strengths, key=lambda pair: pair[0])
    return {"RSSI": rssi, "SNR": snr or 0.0}


def _earliest(receptions: list[dict[str, Any]], key: str) -> int:
    """When the first of the gateways that know the time heard it; 0 = none knows."""
    return min((time_us for one in receptions if (time_us := time_us_of(one.get(key)))), default=0)


def _flat(decoded: object) -> dict[str, Value]:
    """Nested tables and lists as names: OBJECT.TANK.0.LEVEL."""
    found: dict[str, Value] = {}
    rest: list[tuple[str, object, int]] = [("OBJECT", decoded, 0)] if isinstance(decoded, dict) else []
    while rest and len(found) < MOST_FIELDS:
        name, item, depth = rest.pop()
        if isinstance(item, dict | list):
            pairs = item.items() if isinstance(item, dict) else enumerate(item)
            if depth < MOST_DEPTH:
                rest += [(f"{name}.{str(key).upper()}", inner, depth + 1) for key, inner in pairs]
        elif item is None or isinstance(item, bool | int | float | str):
            found[name] = item
    return found
