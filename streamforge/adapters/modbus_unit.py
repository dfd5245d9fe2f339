"""One unit behind a link: how often it is asked again, when its silence is bad, and when it is left alone for that."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from streamforge.adapters.modbus_failures import NO_RESPONSE, TIMEOUT, Failure, FailureKind
from streamforge.adapters.modbus_link import Link, Patience
from streamforge.adapters.modbus_question import Question
from streamforge.logs import Log

BUSY_RETRIES = 3
BUSY_SECONDS = 0.1
# A unit on a shared line that kept silent so often is asked only once in a while: the time that is spent on waiting for
# it, and for its late answer, is then a small share of the line, and its neighbours keep their pace.
SILENT_SCANS = 3
REST_SECONDS = 10.0
REST_TIMEOUTS = 30
PACE_ANSWERS = 100
NEAR_SHARE = 0.8
_log = Log("modbus")
_ASKED_AGAIN = {FailureKind.SILENCE, FailureKind.GARBLED}


@dataclass(slots=True)
class Pace:
    """Whether more than one answer in a hundred takes nearly all the time it is given.

    An answer that takes twice its time-out can no longer be told from the next one where frames carry no number, so
    this is said before it comes to that.
    """

    is_slow: bool = False
    _answers: int = 0
    _slow: int = 0

    def is_new(self, used_share: float) -> bool:
        """Take one answer into account; True when `is_slow` has changed, which is looked at every hundred answers."""
        self._answers += 1
        self._slow += used_share > NEAR_SHARE
        if self._answers < PACE_ANSWERS:
            return False
        was_slow, self.is_slow = self.is_slow, self._slow > 1
        self._answers = self._slow = 0
        return was_slow is not self.is_slow


@dataclass(slots=True)
class Unit:
    """One unit, as one row of the configuration reads it."""

    link: Link
    patience: Patience
    retries: int = 0
    why: Failure = NO_RESPONSE  # it rests
    pace: Pace = field(default_factory=Pace)
    counts: Counter[str] = field(default_factory=Counter)  # requests, and of those that failed why
    _silent: int = 0
    _rests_until_seconds: float = 0.0

    @property
    def is_resting(self) -> bool:
        """Left alone for now; a True answer is followed by a False one, for one attempt, when the rest is over."""
        return self._is_demoted and monotonic() < self._rests_until_seconds

    @property
    def _is_demoted(self) -> bool:
        return self._silent >= SILENT_SCANS and self.link.is_shared

    async def read(self, question: Question) -> bytes | Failure:
        """The data, or why there is none: silence is doubtful the first time and bad from the second on.

        Raises NotConnected when the connection is gone, or is given up because no unit answers.
        """
        if self._is_demoted:
            self._rest()  # from now on, so that no other grid of this unit tries at the same time
        outcome = await self._ask(question)
        if isinstance(outcome, bytes):
            return outcome
        failure = self._note(outcome)
        if failure.is_silence:
            self.link.silent(question)
        return failure

    async def _ask(self, question: Question) -> bytes | Failure:
        """With the attempts that are worth it. Between two the line is free for others."""
        busy, retries = BUSY_RETRIES, 0 if self._is_demoted else self.retries
        while True:
            outcome = await self.link.read(question, self.patience)
            self.counts["requests"] += 1
            if isinstance(outcome, bytes):
                self._silent = 0
                self._note_pace(question.unit_id)
                return outcome
            self.counts[outcome.reason.partition(":")[0]] += 1
            if outcome.kind is FailureKind.BUSY and busy:
                busy -= 1
                await asyncio.sleep(BUSY_SECONDS)
            elif outcome.kind in _ASKED_AGAIN and retries:
                retries -= 1
            else:
                return outcome

    def _note_pace(self, unit_id: int) -> None:
        if self.pace.is_new(self.link.used_share):
            event = "unit_near_its_timeout" if self.pace.is_slow else "unit_well_within_its_timeout"
            say = _log.warning if self.pace.is_slow else _log.info
            say(event, address=f"{self.link.address} unit {unit_id}", timeout_seconds=self.patience.timeout_seconds)

    def _note(self, failure: Failure) -> Failure:
        if failure.ends_scan:
            self._silent += 1
            self._rest()
            self.why = NO_RESPONSE if failure.is_silence else failure
        elif failure.kind is not FailureKind.GARBLED:
            self._silent = 0
        if failure.is_silence:
            return TIMEOUT if self._silent == 1 else NO_RESPONSE
        return failure

    def _rest(self) -> None:
        self._rests_until_seconds = monotonic() + max(REST_SECONDS, REST_TIMEOUTS * self.patience.timeout_seconds)
