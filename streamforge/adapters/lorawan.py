"""LoRaWAN 1.0 data uplinks of devices that are personalised (ABP): integrity, frame counter, decryption.

Names as in the LoRaWAN 1.0.4 specification, chapter 4. Pure: bytes and a session in, a verdict and the payload out.
"""

import hmac
from dataclasses import dataclass
from enum import Enum, StrEnum

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

MIC_BYTES = 4
KEY_BYTES = 16
# Of a device that is heard for the first time nobody knows how often its 16-bit counter has gone round.
FIRST_ROUNDS = 16
ROUND = 1 << 16
_LEAST_BYTES = 12
_MOST_BYTES = 255
_LEAST_PORT_OF_APPLICATION = 1


class _MType(Enum):
    """The kinds of PHYPayload that carry data from a device."""

    UNCONFIRMED_UP = 2
    CONFIRMED_UP = 4


_UPLINKS = {kind.value for kind in _MType}


class Verdict(StrEnum):
    """What a frame is, seen from the session."""

    NEW = "new"
    REPEATED = "repeated"  # the counter of the last one: another gateway heard it too, or it is replayed
    REPLAYED = "replayed"  # an older counter: replayed, or the device was restarted
    BAD_MIC = "bad_mic"  # another network's device of the same address, or a forgery


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUp:
    """A data uplink as it was sent: `counter` are the low 16 bits, `payload` is encrypted; `port` None = none."""

    dev_addr: int
    counter: int
    port: int | None
    payload: bytes
    signed: bytes
    mic: bytes


def parse(phy: bytes) -> DataUp | None:
    """The uplink in a PHYPayload; None for joins, downlinks, what is no LoRaWAN 1. Raises ValueError if cut short."""
    if not phy or phy[0] >> 5 not in _UPLINKS or phy[0] & 3:
        return None
    options = phy[5] & 0x0F if len(phy) > 5 else 0
    if not _LEAST_BYTES + options <= len(phy) <= _MOST_BYTES:
        msg = f"an uplink of {len(phy)} bytes, needs {_LEAST_BYTES + options} to {_MOST_BYTES}"
        raise ValueError(msg)
    rest = phy[8 + options : -MIC_BYTES]
    return DataUp(
        dev_addr=int.from_bytes(phy[1:5], "little"),
        counter=int.from_bytes(phy[6:8], "little"),
        port=rest[0] if rest else None,
        payload=rest[1:],
        signed=phy[:-MIC_BYTES],
        mic=phy[-MIC_BYTES:],
    )


class Session:
    """One device: its keys, and the 32-bit counter of its last accepted frame (-1 = none yet)."""

    def __init__(
        self, dev_addr: int, nwk_skey: bytes, app_skey: bytes, *, counter: int = -1, accepts_reset: bool = False
    ) -> None:
        self.dev_addr = dev_addr
        self.counter = counter
        self.lost = 0
        self._accepts_reset = accepts_reset
        self._address = dev_addr.to_bytes(4, "little")
        self._mac = CMAC(algorithms.AES(nwk_skey))
        # Made once: a block cipher keeps nothing between blocks, and to make one takes longer than all its work.
        self._encrypt = Cipher(algorithms.AES(app_skey), modes.ECB()).encryptor().update  # noqa: S305 - single blocks

    def take(self, frame: DataUp) -> Verdict:
        """Judge a frame; a NEW one moves the counter, and the frames missed before it are counted as lost."""
        if self.counter < 0:
            rounds = range(frame.counter, FIRST_ROUNDS * ROUND, ROUND)
            return self._accept(next((full for full in rounds if self._is_signed(frame, full)), None))
        ahead = (frame.counter - self.counter) % ROUND
        if self._is_signed(frame, self.counter + ahead):
            self.lost += max(0, ahead - 1)
            return self._accept(self.counter + ahead) if ahead else Verdict.REPEATED
        if self._is_signed(frame, frame.counter):
            return self._accept(frame.counter) if self._accepts_reset else Verdict.REPLAYED
        before = self.counter + ahead - ROUND
        return Verdict.REPLAYED if before >= 0 and self._is_signed(frame, before) else Verdict.BAD_MIC

    def _accept(self, full: int | None) -> Verdict:
        if full is None:
            return Verdict.BAD_MIC
        self.counter = full
        return Verdict.NEW

    def _is_signed(self, frame: DataUp, counter: int) -> bool:
        """Whether the MIC is that of this 32-bit counter: CMAC over block B0 and the frame."""
        mac = self._mac.copy()
        mac.update(b"\x49\0\0\0\0\0" + self._address + counter.to_bytes(4, "little") + bytes([0, len(frame.signed)]))
        mac.update(frame.signed)
        return hmac.compare_digest(mac.finalize()[:MIC_BYTES], frame.mic)

    def payload(self, frame: DataUp) -> bytes | None:
        """The decrypted payload of the frame that was just taken; None where it is none of the application.

        It was combined by exclusive or with the encrypted blocks A_1, A_2, ..., which count up in their last byte.
        """
        if frame.port is None or frame.port < _LEAST_PORT_OF_APPLICATION:
            return None
        size = len(frame.payload)
        head = b"\x01\0\0\0\0\0" + self._address + self.counter.to_bytes(4, "little") + b"\0"
        stream = self._encrypt(b"".join(head + bytes([number]) for number in range(1, (size + 15) // 16 + 1)))
        plain = int.from_bytes(frame.payload, "big") ^ int.from_bytes(stream[:size], "big")
        return plain.to_bytes(size, "big")


def key_of(text: str) -> bytes:
    """A session key from its 32 hexadecimal digits. Raises ValueError that does not show the key."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        msg = f"a session key has 32 hexadecimal digits, this one has {len(text)} characters"
        raise ValueError(msg)
    return key
