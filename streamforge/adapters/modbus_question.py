"""One read request, encoded once and asked every scan, and what an answer to it must look like.

This is the only place that makes a request, and a `Table` is one of the four functions that read: no other function
code can reach a wire.
"""

from struct import Struct

from streamforge.adapters.modbus_failures import Failure, exception_failure, protocol_error, short_answer
from streamforge.adapters.registers import Table

_REQUEST = Struct(">BHH")
_EXCEPTION = 0x80


class Question:
    """`count` registers (or bits) of `table` of one unit, from `start`; `pdu` is what asks for them.

    `takes_any_unit`: the answer may carry another unit id (some devices always say 255 or 0).
    """

    __slots__ = ("answer_bytes", "count", "function", "pdu", "start", "takes_any_unit", "unit_id")

    def __init__(self, table: Table, unit_id: int, start: int, count: int, *, takes_any_unit: bool = False) -> None:
        self.function = int(Table(table))
        self.unit_id = unit_id
        self.start = start
        self.count = count
        self.takes_any_unit = takes_any_unit
        self.answer_bytes = (count + 7) // 8 if table.is_bits else 2 * count
        self.pdu = _REQUEST.pack(self.function, start, count)

    def is_from(self, unit_id: int) -> bool:
        """Whether an answer of this unit id can be one to this question."""
        return unit_id == self.unit_id or self.takes_any_unit


def judge(question: Question, pdu: bytes) -> bytes | Failure:
    """The registers (big endian) or packed bits of a whole answer, or why it cannot be one to this question."""
    function, size = pdu[0], pdu[1] if len(pdu) > 1 else 0
    if function == question.function | _EXCEPTION and size:
        return exception_failure(size)
    if function != question.function:
        return protocol_error(f"answer to function {function}, not {question.function}")
    came, wanted = len(pdu) - 2, question.answer_bytes
    if came == size == wanted:
        return pdu[2:]
    return short_answer(max(came, 0), wanted, is_whole=came == size)
