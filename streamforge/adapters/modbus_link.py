"""One Modbus connection or serial line, shared by the units behind it: one request at a time, each unit in its turn."""

import asyncio
from dataclasses import dataclass
from time import monotonic, monotonic_ns, sleep

from streamforge.adapters.byte_stream import CLOSED, ByteStream
from streamforge.adapters.modbus_failures import NOISE, Failure, FailureKind
from streamforge.adapters.modbus_framing import Framing
from streamforge.adapters.modbus_question import Question
from streamforge.adapters.modbus_turns import Turns

SILENT_REQUESTS = 3
FINE_SECONDS = 0.0025
_RTU_OVERHEAD_BYTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTiming:
    """What a serial line asks for: `quiet_seconds` of silence before a request, time for characters to pass.

    All zero = a network, which has neither.
    """

    character_seconds: float = 0.0
    quiet_seconds: float = 0.0


NETWORK = LineTiming()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How one unit is asked: how long an answer may take, and the least pause before it is asked."""

    timeout_seconds: float
    pause_seconds: float = 0.0


class Link:
    """The connection; it is made and lost as a whole.

    `is_silence_loss`: when no unit answers any more the connection counts as gone, for TCP may not notice that the
    other end is. A serial port is there or is not, whoever answers.
    """

    def __init__(
        self, stream: ByteStream, framing: Framing, *, timing: LineTiming = NETWORK, is_silence_loss: bool = True
    ) -> None:
        self.address = stream.address
        self.used_share = 0.0  # of the time that the last answer was given, it took so much
        self.asked_ns = 0  # when the last request was sent, by the monotonic clock
        self._stream, self._framing, self._timing = stream, framing, timing
        self._is_silence_loss = is_silence_loss
        self._turns = Turns()
        self._connecting = asyncio.Lock()
        self._unit_ids: set[int] = set()
        self._connect_pause_seconds = 0.0
        self._why = ""
        self._waiting: asyncio.Future[bytes | Failure | None] | None = None
        self._arrived = asyncio.Event()
        self._last_byte_seconds = 0.0
        self._late_until_seconds = 0.0
        self._hung_up_on: Question | None = None
        self._silent_requests = 0
        self._unanswered: dict[int, Question] = {}
        stream.received, stream.lost = self._received, self._lost

    def serve(self, unit_id: int, connect_pause_seconds: float = 0.0) -> None:
        """Say that this unit will be read over this connection, and how long it wants to be left alone at first."""
        self._unit_ids.add(unit_id)
        self._connect_pause_seconds = max(self._connect_pause_seconds, connect_pause_seconds)

    @property
    def is_shared(self) -> bool:
        """Several units take turns."""
        return len(self._unit_ids) > 1

    @property
    def round_trip_seconds(self) -> float:
        """Of the network, 0 = unknown."""
        return self._stream.round_trip_seconds

    async def connect(self, patience: Patience) -> None:
        """Connect if it does not stand yet. Raises NotConnected with address and reason."""
        async with self._connecting:
            if self._stream.is_open:
                return
            self.close()
            self._framing.reset()
            await self._stream.open(patience.timeout_seconds)
            self._why = ""
            self._last_byte_seconds, self._late_until_seconds = monotonic(), 0.0
            await asyncio.sleep(self._connect_pause_seconds)
            if self._is_silence_loss:
                await self._probe(patience)

    async def _probe(self, patience: Patience) -> None:
        """After a loss a new connection alone proves nothing: a hung device accepts, a full one hangs up again.

        After silence one unit must answer; after a hang-up the same request must not meet another. Raises NotConnected.
        """
        if not self._unanswered or not self._unanswered.keys() >= self._unit_ids:
            if self._hung_up_on is not None:
                await self.read(self._hung_up_on, patience)
            return
        for question in list(self._unanswered.values()):
            outcome = await self.read(question, patience)
            if isinstance(outcome, bytes) or not outcome.is_silence:
                return
        self.close()
        raise self._stream.not_connected("connects, but answers no request")

    def close(self) -> None:
        """Let go of the connection; a request under way fails at once."""
        self._stream.close()
        self._answer(None)

    async def read(self, question: Question, patience: Patience) -> bytes | Failure:
        """The registers (big endian) or packed bits asked for, exactly as many, or why there are none.

        Raises NotConnected when the connection is gone.
        """
        async with self._turns.turn(question.unit_id):
            self._must_be_open(question)
            if not await self._quiet(patience):
                return NOISE
            seconds, began = self._seconds_for(question, patience), monotonic()
            outcome = await self._exchange(question, seconds)
            self.used_share = (monotonic() - began) / seconds
        if isinstance(outcome, bytes) or not outcome.is_silence:
            self._hung_up_on = None
            self._silent_requests = 0
            self._unanswered.clear()
        return outcome

    def _seconds_for(self, question: Question, patience: Patience) -> float:
        """The unit's own time, and that of the characters there and back."""
        characters = len(question.pdu) + question.answer_bytes + 2 * _RTU_OVERHEAD_BYTES
        return patience.timeout_seconds + characters * self._timing.character_seconds

    async def _exchange(self, question: Question, timeout_seconds: float) -> bytes | Failure:
        """One request and what came of it. Raises NotConnected."""
        self._must_be_open(question)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes | Failure | None] = loop.create_future()
        self._waiting = waiting
        frame = self._framing.begin(question)
        self._last_byte_seconds = monotonic() + len(frame) * self._timing.character_seconds
        self.asked_ns = monotonic_ns()
        self._stream.write(frame)
        alarm = loop.call_later(timeout_seconds, self._time_is_up, timeout_seconds)
        try:
            outcome = await waiting
        finally:
            alarm.cancel()
            self._waiting = None
        if outcome is None:
            self._must_be_open(question)
            raise self._stream.not_connected(self._why or CLOSED)
        return outcome

    def _must_be_open(self, question: Question) -> None:
        if not self._stream.is_open:
            self._hung_up_on = question
            raise self._stream.not_connected(self._why or CLOSED)

    async def _quiet(self, patience: Patience) -> bool:
        """Wait until the line may be spoken on; False when it does not fall silent within the unit's time-out.

        After a request without an answer that is first the time in which a late one may still come: taken for the
        answer to the next request, it would be the wrong registers.
        """
        quiet_seconds = max(self._timing.quiet_seconds, patience.pause_seconds)
        while self._framing.awaits_late:
            rest_seconds = self._late_until_seconds - monotonic()
            if rest_seconds <= 0.0:
                break
            await self._sleep_until_byte(rest_seconds)
        began = monotonic()
        while (rest_seconds := self._last_byte_seconds + quiet_seconds - monotonic()) > 0.0:
            if monotonic() - began > quiet_seconds + patience.timeout_seconds:
                return False
            await self._rest(rest_seconds)
        return True

    async def _rest(self, seconds: float) -> None:
        """The event loop rounds up to whole milliseconds, which at 115200 baud would be a third of the line's time.

        So on a serial line, of which a process has one, the last of it is slept in the kernel; then the loop goes round
        for what has come meanwhile.
        """
        is_line = self._timing.quiet_seconds > 0.0
        if not is_line or seconds > FINE_SECONDS:
            await asyncio.sleep(seconds - FINE_SECONDS if is_line else seconds)
            return
        sleep(seconds)
        for _ in range(2):
            await asyncio.sleep(0)

    async def _sleep_until_byte(self, seconds: float) -> None:
        self._arrived.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return

    def silent(self, question: Question) -> None:
        """A unit gave no answer, whatever was tried. Raises NotConnected where now no unit answers any more."""
        self._silent_requests += 1
        self._unanswered[question.unit_id] = question
        is_all = self._silent_requests >= SILENT_REQUESTS and self._unanswered.keys() >= self._unit_ids
        if self._is_silence_loss and is_all:
            self.close()
            raise self._stream.not_connected(f"no answer to {self._silent_requests} requests")

    def _received(self, data: bytes) -> None:
        self._last_byte_seconds = monotonic()
        self._arrived.set()
        outcome = self._framing.feed(data)
        if outcome is not None:
            self._answer(outcome)

    def _time_is_up(self, timeout_seconds: float) -> None:
        failure = self._framing.end()
        if failure.kind in {FailureKind.SILENCE, FailureKind.GARBLED, FailureKind.SHORT}:
            self._late_until_seconds = monotonic() + timeout_seconds
        self._answer(failure)

    def _lost(self, reason: str) -> None:
        self._why = reason
        self._answer(None)

    def _answer(self, outcome: bytes | Failure | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(outcome)
