"""RTU frames: unit id, PDU, CRC-16; no transaction numbers, so much care for what is the answer to what.

A frame carries nothing that ties it to its request. An answer is taken only while a question is open, only from the
unit asked, of the function and the length asked for, and with a right CRC; `modbus_link` sends no next question before
a late answer to the last one must be through. Bytes before an answer (the glitch when an RS-485 driver turns round) are
passed over, and so is the echo of the request that some converters give.
"""

from streamforge.adapters.crc16 import crc16
from streamforge.adapters.modbus_failures import BAD_CRC, TIMEOUT, Failure
from streamforge.adapters.modbus_framing import Framing
from streamforge.adapters.modbus_question import Question, judge
from streamforge.adapters.registers import Table

_READS = frozenset(Table)
_ECHOED_WRITES = frozenset({5, 6, 15, 16})
_CRC_BYTES = 2
_SHORTEST = 5
_MOST_KEPT_BYTES = 1024


def rtu_frame(unit_id: int, pdu: bytes) -> bytes:
    """A whole frame."""
    body = bytes([unit_id]) + pdu
    return body + crc16(body)


class RtuFraming(Framing):
    """One question at a time on a line where nothing but the order tells answers apart."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._buffer = bytearray()
        self._question: Question | None = None
        self._request = b""
        self._mismatch: Failure | None = None
        self._late: Question | None = None

    @property
    def awaits_late(self) -> bool:
        """The last question ended without an answer, and none has come since."""
        return self._late is not None

    def begin(self, question: Question) -> bytes:
        self.reset()
        self._question = question
        self._request = rtu_frame(question.unit_id, question.pdu)
        return self._request

    def feed(self, data: bytes) -> bytes | Failure | None:
        self._buffer += data
        del self._buffer[:-_MOST_KEPT_BYTES]
        if self._question is None:
            self._look_for_late()
            return None
        self._drop_echo()
        outcome = self._search(self._question)
        if outcome is not None:
            self._question = None
            self._buffer.clear()
        return outcome

    def end(self) -> Failure:
        question, self._question = self._question, None
        self._late = question
        failure = self._mismatch or (BAD_CRC if question and self._has_begun(question) else TIMEOUT)
        self._buffer.clear()
        return failure

    def _drop_echo(self) -> None:
        """A converter that hears itself gives the request back; read as an answer, it could be a right one."""
        at = self._buffer.find(self._request) if self._request else -1
        if at >= 0:
            del self._buffer[: at + len(self._request)]
            self._request = b""

    def _search(self, question: Question) -> bytes | Failure | None:
        for at in range(len(self._buffer) - 1):
            if not question.is_from(self._buffer[at]):
                continue
            frame = self._frame(at)
            if frame is None:
                continue
            outcome = judge(question, frame[1:-_CRC_BYTES])
            is_right = frame[-_CRC_BYTES:] == crc16(frame[:-_CRC_BYTES])
            if is_right and _ends(frame, question, outcome):
                return outcome
            if is_right and isinstance(outcome, Failure):
                self._mismatch = outcome  # perhaps the answer to an older question: ours may still come
            elif len(frame) == len(self._buffer) and isinstance(outcome, bytes):
                return BAD_CRC  # nothing but this, and of the right length: it was the answer
        return None

    def _frame(self, at: int) -> bytes | None:
        """The frame that would begin here; None where none does, or not all of it has come."""
        rest = len(self._buffer) - at
        if rest < _SHORTEST:
            return None
        function = self._buffer[at + 1]
        if function & 0x80:
            size = _SHORTEST
        elif function in _READS:
            size = _SHORTEST + self._buffer[at + 2]
        elif function in _ECHOED_WRITES:  # another master's work
            size = 8
        else:
            return None
        return bytes(self._buffer[at : at + size]) if size <= rest else None

    def _has_begun(self, question: Question) -> bool:
        """Something of an answer of that unit has come, not only noise."""
        functions = {question.function, question.function | 0x80}
        pairs = zip(self._buffer, self._buffer[1:], strict=False)
        return any(question.is_from(unit) and function in functions for unit, function in pairs)

    def _look_for_late(self) -> None:
        for at in range(len(self._buffer) - 1):
            if self._late and self._late.is_from(self._buffer[at]):
                frame = self._frame(at)
                if frame and frame[-_CRC_BYTES:] == crc16(frame[:-_CRC_BYTES]):
                    self._late = None
                    self._buffer.clear()
                    return


def _ends(frame: bytes, question: Question, outcome: bytes | Failure) -> bool:
    """Whether this is the answer: the data asked for, or an exception to this very function."""
    return isinstance(outcome, bytes) or frame[1] == question.function | 0x80
