"""What stands around a request and its answer on the wire: Modbus TCP (MBAP) here, RTU in `modbus_rtu_framing`.

Own framing, not pymodbus's: its client takes transaction number 0, short answers and other functions for data, its
asynchronous RTU takes the late answer to one request as the answer to the next, and closing all that through its hooks
was more code than the framing itself (docs/decisions/0007). pymodbus stays an independent peer in tests.
"""

from abc import ABC, abstractmethod
from struct import Struct

from streamforge.adapters.modbus_failures import TIMEOUT, Failure, protocol_error
from streamforge.adapters.modbus_question import Question, judge

_MBAP = Struct(">HHHB")
_MOST_LENGTH = 254  # unit id and PDU
_TRANSACTIONS = 65536


class Framing(ABC):
    """Bytes to and from one connection, on which one question at a time is open. Pure: no I/O, no clock."""

    @property
    def awaits_late(self) -> bool:
        """A late answer to the last question could still be taken for one to the next."""
        return False

    @abstractmethod
    def begin(self, question: Question) -> bytes:
        """Open a question; the bytes that ask it."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes | Failure | None:
        """What arrived. The outcome of the open question, which is then closed; None = not yet."""

    @abstractmethod
    def end(self) -> Failure:
        """The time is up: close the question; why there is no data."""

    @abstractmethod
    def reset(self) -> None:
        """A new connection: nothing of the old one counts."""


class MbapFraming(Framing):
    """Modbus TCP: answers are told apart by their transaction number, so a late one is recognised and dropped."""

    def __init__(self) -> None:
        self._transaction = 0
        self.reset()

    def reset(self) -> None:
        self._buffer = bytearray()
        self._question: Question | None = None

    def begin(self, question: Question) -> bytes:
        self._question = question
        self._transaction = self._transaction % (_TRANSACTIONS - 1) + 1  # never 0: some devices always answer with that
        return _MBAP.pack(self._transaction, 0, len(question.pdu) + 1, question.unit_id) + question.pdu

    def feed(self, data: bytes) -> bytes | Failure | None:
        self._buffer += data
        outcome = None
        while len(self._buffer) >= _MBAP.size:
            transaction, protocol, length, unit_id = _MBAP.unpack_from(self._buffer)
            if protocol or not 1 < length <= _MOST_LENGTH:
                self._buffer.clear()  # no Modbus: where the next message begins nobody knows
                break
            if len(self._buffer) < 6 + length:
                break
            pdu = bytes(self._buffer[_MBAP.size : 6 + length])
            del self._buffer[: 6 + length]
            if outcome is None:
                outcome = self._take(transaction, unit_id, pdu)
        return outcome

    def _take(self, transaction: int, unit_id: int, pdu: bytes) -> bytes | Failure | None:
        question = self._question
        if question is None or not question.is_from(unit_id) or transaction not in {0, self._transaction}:
            return None
        self._question = None
        if transaction == 0:
            return protocol_error(f"answer to request 0, not {self._transaction}")
        return judge(question, pdu)

    def end(self) -> Failure:
        self._question = None
        return TIMEOUT
