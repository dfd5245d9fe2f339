"""A LoRaWAN 1.0 device that is written from the specification, block by block, and shares nothing with our reader."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

NWK_SKEY, APP_SKEY = "44024241ed4ce9a68c6a8bc055233fd3", "ec925802ae430ca77fd3dd73cb2cc588"
DEV_ADDR = "49be7df1"
GATEWAY = "a84041ffff1e2f30"


def _aes(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305 - one block, as specified


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))


def _cmac(key: bytes, message: bytes) -> bytes:
    """RFC 4493, step by step."""

    def doubled(block: bytes) -> bytes:
        number = int.from_bytes(block, "big") << 1
        return ((number ^ 0x87 if number >> 128 else number) & ((1 << 128) - 1)).to_bytes(16, "big")

    first = doubled(_aes(key, bytes(16)))
    blocks = [message[at : at + 16] for at in range(0, len(message), 16)] or [b""]
    is_whole = len(blocks[-1]) == 16
    last = _xor(blocks[-1], first) if is_whole else _xor((blocks[-1] + b"\x80").ljust(16, b"\0"), doubled(first))
    state = bytes(16)
    for block in [*blocks[:-1], last]:
        state = _aes(key, _xor(state, block))
    return state


def uplink(
    counter: int,
    payload: bytes,
    port: int | None = 1,
    *,
    dev_addr: str = DEV_ADDR,
    nwk_skey: str = NWK_SKEY,
    app_skey: str = APP_SKEY,
    options: bytes = b"",
    mhdr: int = 0x40,
) -> bytes:
    """A PHYPayload of this 32-bit counter; port None = without port and payload."""
    address = bytes.fromhex(dev_addr)[::-1]
    full = counter.to_bytes(4, "little")
    key = bytes.fromhex(app_skey if port else nwk_skey)
    body = b""
    for number, at in enumerate(range(0, len(payload), 16), 1):
        stream = _aes(key, b"\x01\0\0\0\0\0" + address + full + b"\0" + bytes([number]))
        body += _xor(payload[at : at + 16], stream)
    frame = bytes([mhdr]) + address + bytes([len(options)]) + full[:2] + options
    frame += b"" if port is None else bytes([port]) + body
    head = b"\x49\0\0\0\0\0" + address + full + b"\0" + bytes([len(frame)])
    return frame + _cmac(bytes.fromhex(nwk_skey), head + frame)[:4]


def push_data(*packets: bytes | dict[str, Any], gateway: str = GATEWAY, token: bytes = b"\x12\x34") -> bytes:
    """The datagram in which a gateway forwards PHYPayloads (or whole rxpk entries)."""
    entries = [
        {"stat": 1, "modu": "LORA", "rssi": -57, "lsnr": 9.2, "data": base64.b64encode(packet).decode()}
        if isinstance(packet, bytes)
        else packet
        for packet in packets
    ]
    return b"\x02" + token + b"\x00" + bytes.fromhex(gateway) + json.dumps({"rxpk": entries}).encode()
