"""Why a Modbus request brought no data: quality and reason for its readings, a kind for who decides what is next."""

from dataclasses import dataclass
from enum import Enum, auto

from streamforge.model import Quality


class FailureKind(Enum):
    """What a failure means for the next request."""

    SILENCE = auto()  # nothing came
    GARBLED = auto()  # something came that cannot be the answer; another attempt may do better
    SHORT = auto()  # a whole answer with fewer registers than asked for: some devices end so at their last register
    FUNCTION = auto()  # the unit does not know this function at all
    RANGE = auto()  # some of what was asked for is not there
    BUSY = auto()  # the unit wants to be asked again soon
    PATH = auto()  # a gateway does not reach the unit: to the unit as good as silence
    DEVICE = auto()  # the unit has a fault of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request brought no data, as the quality and reason of its readings."""

    kind: FailureKind
    quality: Quality
    reason: str

    @property
    def is_silence(self) -> bool:
        """Nothing came."""
        return self.kind is FailureKind.SILENCE

    @property
    def ends_scan(self) -> bool:
        """The unit is not there: each further request would only cost another time-out."""
        return self.kind in {FailureKind.SILENCE, FailureKind.PATH}

    @property
    def is_divisible(self) -> bool:
        """A part of the range may do where the whole did not."""
        return self.kind in {FailureKind.RANGE, FailureKind.SHORT}

    @property
    def is_lasting(self) -> bool:
        """Asking again soon would bring the same."""
        return self.is_divisible or self.kind is FailureKind.FUNCTION


def _bad(kind: FailureKind, reason: str) -> Failure:
    return Failure(kind=kind, quality=Quality.BAD, reason=reason)


def _busy(reason: str) -> Failure:
    return Failure(kind=FailureKind.BUSY, quality=Quality.UNCERTAIN, reason=reason)


def protocol_error(what: str) -> Failure:
    """A whole message that cannot be the answer to this request."""
    return _bad(FailureKind.GARBLED, f"protocol_error: {what}")


def short_answer(came_bytes: int, wanted_bytes: int, *, is_whole: bool) -> Failure:
    """Another number of bytes than asked for; a whole answer with too few says where the device's range ends."""
    kind = FailureKind.SHORT if is_whole and came_bytes < wanted_bytes else FailureKind.GARBLED
    return _bad(kind, f"short_answer: {came_bytes} bytes of {wanted_bytes}")


TIMEOUT = Failure(kind=FailureKind.SILENCE, quality=Quality.UNCERTAIN, reason="timeout")
NO_RESPONSE = Failure(kind=FailureKind.SILENCE, quality=Quality.BAD, reason="no_response")
BAD_CRC = _bad(FailureKind.GARBLED, "bad_crc: what came is no whole frame with a right checksum")
NOISE = _bad(FailureKind.GARBLED, "line_busy: the line does not fall silent")
EXCEPTIONS = {
    1: _bad(FailureKind.FUNCTION, "config_error: illegal function (exception 1)"),
    2: _bad(FailureKind.RANGE, "config_error: illegal data address (exception 2)"),
    3: _bad(FailureKind.RANGE, "config_error: illegal data value (exception 3)"),
    4: _bad(FailureKind.DEVICE, "device_failure: server device failure (exception 4)"),
    5: _busy("busy: acknowledge (exception 5)"),
    6: _busy("busy: server device busy (exception 6)"),
    8: _bad(FailureKind.DEVICE, "memory_parity: memory parity error (exception 8)"),
    10: _bad(FailureKind.PATH, "gateway_path: gateway path unavailable (exception 10)"),
    11: _bad(FailureKind.PATH, "gateway_path: gateway target device failed to respond (exception 11)"),
}


def exception_failure(code: int) -> Failure:
    """What a Modbus exception code says of the readings asked for."""
    return EXCEPTIONS.get(code) or _bad(FailureKind.DEVICE, f"device_failure: unknown exception {code}")
