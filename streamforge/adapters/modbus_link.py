"""One Modbus TCP connection, shared by the units behind it: one request at a time, and only requests that read.

pymodbus owns sockets, framing and transaction numbers. Its public hooks are used to keep the registers of an answer as
bytes (decoding each register costs more than the rest of the adapter) and to refuse everything that does not read.
"""

import asyncio
import logging
import os
import re
from dataclasses import dataclass
from struct import Struct
from typing import Any, cast

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import DecodePDU, ModbusPDU

from streamforge.adapters.registers import Table
from streamforge.errors import Fatal, NotConnected
from streamforge.model import Quality

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it would write its last frames to stderr at every time-out

READING_FUNCTIONS = frozenset(Table)
SILENT_REQUESTS = 3
CLOSED = "connection closed by the device"
_HEADER_BYTES = 7
_EXCEPTION = 0x80
_QUESTION = Struct(">HH")
_ERRNO = re.compile(r"\[Errno (\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request brought no data, as the quality and reason of its readings."""

    quality: Quality
    reason: str
    is_silence: bool = False


def _bad(reason: str) -> Failure:
    return Failure(quality=Quality.BAD, reason=reason)


def _uncertain(reason: str) -> Failure:
    return Failure(quality=Quality.UNCERTAIN, reason=reason)


TIMEOUT = Failure(quality=Quality.UNCERTAIN, reason="timeout", is_silence=True)
NO_RESPONSE = Failure(quality=Quality.BAD, reason="no_response", is_silence=True)
EXCEPTIONS = {
    1: _bad("config_error: illegal function (exception 1)"),
    2: _bad("config_error: illegal data address (exception 2)"),
    3: _bad("config_error: illegal data value (exception 3)"),
    4: _bad("device_failure: server device failure (exception 4)"),
    5: _uncertain("busy: acknowledge (exception 5)"),
    6: _uncertain("busy: server device busy (exception 6)"),
    8: _bad("memory_parity: memory parity error (exception 8)"),
    10: _bad("gateway_path: gateway path unavailable (exception 10)"),
    11: _bad("gateway_path: gateway target device failed to respond (exception 11)"),
}


def exception_failure(code: int) -> Failure:
    """What a Modbus exception code says of the readings asked for."""
    return EXCEPTIONS.get(code) or _bad(f"device_failure: unknown exception {code}")


class Question(ModbusPDU):
    """One read request, encoded once and sent every scan."""

    def __init__(self, table: Table, unit_id: int, start: int, count: int) -> None:
        super().__init__(dev_id=unit_id, address=start, count=count)
        self.function_code = int(table)
        self.answer_bytes = (count + 7) // 8 if table.is_bits else 2 * count
        self._encoded = _QUESTION.pack(start, count)

    def encode(self) -> bytes:
        """Address and count."""
        return self._encoded


class Answer(ModbusPDU):
    """Any answer, its bytes untouched."""

    def __init__(self, frame: bytes) -> None:  # the base keeps a dozen fields that only its own classes need
        self.function_code = frame[0]
        self.frame = frame


class _KeepBytes(DecodePDU):
    """In place of pymodbus's decoder: takes whatever arrives, so that judging it is ours."""

    def decode(self, frame: bytes) -> ModbusPDU:
        return Answer(frame)


class Link:
    """The connection to one host and port; every request waits its turn, first come first served."""

    def __init__(self, host: str, port: int) -> None:
        self.address = f"{host}:{port}"
        self._host, self._port = host, port
        self._client: AsyncModbusTcpClient | None = None
        self._turn = asyncio.Lock()
        self._why = ""
        self._unit_ids: set[int] = set()
        self._is_asking = False
        self._hung_up_on: Question | None = None
        self._silent_requests = 0
        self._unanswered: dict[int, Question] = {}

    def serve(self, unit_id: int) -> None:
        """Say that this unit will be read over this connection."""
        self._unit_ids.add(unit_id)

    @property
    def is_shared(self) -> bool:
        """Several units take turns."""
        return len(self._unit_ids) > 1

    @property
    def is_up(self) -> bool:
        """The connection stands, as far as this end knows."""
        return self._client is not None and self._client.connected

    async def connect(self, timeout_seconds: float) -> None:
        """Connect if it does not stand yet. Raises NotConnected with host, port and reason."""
        async with self._turn:
            if self.is_up:
                return
            self.close()
            client = self._new_client(timeout_seconds)
            self._why = f"no connection within {timeout_seconds:g} s"
            if not await client.connect():
                client.close()
                raise self._not_connected(self._why)
            self._why = ""
            self._client = client
            await self._probe(timeout_seconds)

    async def _probe(self, timeout_seconds: float) -> None:
        """After a loss a new connection alone proves nothing: a hung device accepts, a full one hangs up again.

        After silence one unit must answer; after a hang-up the same request must not meet another. Raises NotConnected.
        """
        if not self._unanswered or not self._unanswered.keys() >= self._unit_ids:
            if self._hung_up_on is not None:
                await self._exchange(self._hung_up_on, timeout_seconds)
            return
        for question in list(self._unanswered.values()):
            if await self._exchange(question, timeout_seconds) is not None:
                return
        self.close()
        raise self._not_connected("connects, but answers no request")

    def close(self) -> None:
        """Let go of the connection; a request under way fails at once."""
        if self._client:
            self._fail_waiting()
            self._client.close()
            self._client = None

    async def read(self, question: Question, timeout_seconds: float) -> bytes | Failure:
        """The registers (big endian) or packed bits asked for, exactly as many, or why there are none.

        Raises NotConnected when the connection is gone or no unit behind it answers any more.
        """
        async with self._turn:
            answer = await self._exchange(question, timeout_seconds)
            return self._silence(question) if answer is None else judge(question, answer)

    async def _exchange(self, question: Question, timeout_seconds: float) -> Answer | None:
        """The answer to one request, None after the time-out. Raises NotConnected."""
        client = self._client
        if client is None or not client.connected:
            self._hung_up_on = question
            raise self._not_connected(self._why or CLOSED)
        client.ctx.comm_params.timeout_connect = timeout_seconds
        self._is_asking = True
        try:
            answer = await client.execute(False, question)  # noqa: FBT003 - "no response expected" of pymodbus
        except ConnectionException as error:
            self._hung_up_on = question
            raise self._not_connected(CLOSED) from error
        except ModbusException:
            return None
        finally:
            self._is_asking = False
        self._hung_up_on = None
        if self._silent_requests:
            self._silent_requests = 0
            self._unanswered.clear()
        return cast(Answer, answer)

    def _silence(self, question: Question) -> Failure:
        """Count a time-out. When no unit answers any more the link is dead, though TCP may not know it."""
        self._silent_requests += 1
        self._unanswered[question.dev_id] = question
        if self._silent_requests >= SILENT_REQUESTS and self._unanswered.keys() >= self._unit_ids:
            self.close()
            raise self._not_connected(f"no answer to {self._silent_requests} requests")
        return TIMEOUT

    def _not_connected(self, reason: str) -> NotConnected:
        return NotConnected(f"{self.address}: {reason}")

    def _new_client(self, timeout_seconds: float) -> AsyncModbusTcpClient:
        client = AsyncModbusTcpClient(
            self._host, port=self._port, timeout=timeout_seconds, retries=0, reconnect_delay=0,
            trace_packet=only_reads, trace_connect=self._connection_changed,
        )  # fmt: skip
        client.ctx.framer.decoder = _KeepBytes(is_server=False)
        client.set_max_no_responses(1 << 30)  # one dead unit must not cut off its neighbours; see _silence
        create = client.ctx.call_create

        async def create_and_say_why() -> Any:
            try:
                return await create()
            except OSError as error:
                self._why = plain_words(error)
                raise

        client.ctx.call_create = create_and_say_why
        return client

    def _connection_changed(self, is_connected: bool) -> None:  # noqa: FBT001 - pymodbus's signature
        if not is_connected:
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        """A request under way when the connection ends must not wait for its time-out."""
        if self._client and self._is_asking and not self._client.ctx.response_future.done():
            self._client.ctx.response_future.set_exception(ConnectionException("closed"))


def plain_words(error: OSError) -> str:
    """What the operating system says of it, where asyncio says "Connect call failed" (or several of them in one)."""
    number = error.errno or int((_ERRNO.search(str(error)) or [0, 0])[1])
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def only_reads(sending: bool, packet: bytes) -> bytes:  # noqa: FBT001 - pymodbus's signature
    """Transmit hook: a packet that does not read never reaches the wire. Raises Fatal."""
    if sending and packet[_HEADER_BYTES] not in READING_FUNCTIONS:
        msg = f"refused to send function code {packet[_HEADER_BYTES]}: this adapter only reads"
        raise Fatal(msg)
    return packet


def judge(question: Question, answer: Answer) -> bytes | Failure:
    """The data of an answer, or why it cannot be one to this question.

    pymodbus itself lets through transaction number 0, another function code and fewer registers than asked for.
    """
    frame = answer.frame
    if answer.transaction_id != question.transaction_id:
        return _bad(f"protocol_error: answer to request {answer.transaction_id}, not {question.transaction_id}")
    if frame[0] == question.function_code | _EXCEPTION and len(frame) > 1:
        return exception_failure(frame[1])
    if frame[0] != question.function_code:
        return _bad(f"protocol_error: answer to function {frame[0]}, not {question.function_code}")
    wanted = question.answer_bytes
    if len(frame) != wanted + 2 or frame[1] != wanted:
        return _bad(f"short_answer: {len(frame) - 2} bytes of {wanted}")
    return frame[2:]
