"""What a LoRa gateway's packet forwarder sends (Semtech's PROTOCOL.TXT, versions 1 and 2), and how it is answered.

Only what comes up is read; nothing is ever sent down to a device. Pure: datagrams in, receptions out.
"""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

import orjson

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_ACK, TX_ACK = 0, 1, 2, 4, 5
_VERSIONS = {1, 2}
_ACKS = {PUSH_DATA: PUSH_ACK, PULL_DATA: PULL_ACK}
_GATEWAY_BYTES = 8
_CRC_OK = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """One datagram of a gateway, `gateway` being its EUI in small hexadecimal digits."""

    kind: int
    gateway: str
    acknowledgement: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """One frame as a gateway heard it; `time_us` 0 = the gateway did not say when."""

    phy: bytes
    rssi_dbm: float | None = None
    snr_db: float | None = None
    time_us: int = 0


def parse(datagram: bytes) -> Datagram:
    """A datagram taken apart; `acknowledgement` is empty where none is due. Raises ValueError where it is none."""
    if len(datagram) < 4 + _GATEWAY_BYTES or datagram[0] not in _VERSIONS or datagram[3] not in {*_ACKS, TX_ACK}:
        msg = f"{len(datagram)} bytes are no datagram of a packet forwarder"
        raise ValueError(msg)
    ack = _ACKS.get(datagram[3])
    return Datagram(
        kind=datagram[3],
        gateway=datagram[4:12].hex(),
        acknowledgement=b"" if ack is None else datagram[:3] + bytes([ack]),
        body=datagram[12:],
    )


def receptions(body: bytes) -> tuple[list[Reception], int]:
    """The good receptions in the JSON of a PUSH_DATA, and how many others it holds (bad checksum, no LoRa, no data).

    Raises ValueError where it is no such JSON.
    """
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        msg = f"PUSH_DATA is no JSON: {error}"
        raise ValueError(msg) from None
    packets = raw.get("rxpk", []) if isinstance(raw, dict) else None
    if not isinstance(packets, list):
        msg = "PUSH_DATA has no list rxpk"
        raise ValueError(msg)
    found = [reception for packet in packets if (reception := _reception(packet)) is not None]
    return found, len(packets) - len(found)


def _reception(packet: object) -> Reception | None:
    if not isinstance(packet, dict) or packet.get("stat", _CRC_OK) != _CRC_OK or packet.get("modu", "LORA") != "LORA":
        return None
    data = packet.get("data")
    try:
        phy = b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        return None
    if not phy:
        return None
    return Reception(
        phy=phy,
        rssi_dbm=number(packet.get("rssi")),
        snr_db=number(packet.get("lsnr")),
        time_us=time_us_of(packet.get("time")),
    )


def number(value: object) -> float | None:
    """A number of a JSON text; None where it is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def time_us_of(text: object) -> int:
    """Microseconds since 1970 of an ISO 8601 text with its zone; 0 = none that can be read."""
    try:
        read = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        return 0
    return max(0, round(read.timestamp() * 1_000_000))
