"""A LoRa gateway that forwards the uplinks of ten ABP devices, so many a second: it measures the one who listens."""

import base64
import json
import socket
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from streamforge.bench.pace import paced

GATEWAY = "a84041ffff1e2f30"
ADDRESSES = tuple(f"49be7d{number:02x}" for number in range(10))
# Keys of devices that nobody has.
NWK_SKEY, APP_SKEY = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
_DATA_UP, _PORT = b"\x40", b"\x01"
_PUSH_DATA = b"\x02\x12\x34\x00"


def run(port: int, per_second: int) -> None:
    """Send until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        for datagram in paced(datagrams(), per_second):
            gateway.sendto(datagram, ("127.0.0.1", port))


def datagrams() -> Iterator[bytes]:
    """One uplink each, the devices in turn, their counters from 1 on; the payload is the counter's low 16 bits."""
    mac = CMAC(algorithms.AES(bytes.fromhex(NWK_SKEY)))
    encrypt = Cipher(algorithms.AES(bytes.fromhex(APP_SKEY)), modes.ECB()).encryptor().update  # noqa: S305 - one block
    addresses = [bytes.fromhex(address)[::-1] for address in ADDRESSES]
    for counter in range(1, 1 << 32):
        full = counter.to_bytes(4, "little")
        for address in addresses:
            stream = encrypt(b"\x01\0\0\0\0\0" + address + full + b"\0\x01")
            payload = bytes(a ^ b for a, b in zip((counter & 0xFFFF).to_bytes(2, "big"), stream, strict=False))
            frame = _DATA_UP + address + b"\0" + full[:2] + _PORT + payload
            signed = mac.copy()
            signed.update(b"\x49\0\0\0\0\0" + address + full + bytes([0, len(frame)]) + frame)
            packet = base64.b64encode(frame + signed.finalize()[:4]).decode()
            body = {"rxpk": [{"stat": 1, "modu": "LORA", "rssi": -57, "lsnr": 9.2, "data": packet}]}
            yield _PUSH_DATA + bytes.fromhex(GATEWAY) + json.dumps(body).encode()
