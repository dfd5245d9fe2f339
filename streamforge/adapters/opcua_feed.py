"""One subscription as this end knows it: what came, what is missing and asked for again, what the log has by now."""

import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from streamforge.adapters.base import nothing

_NUMBERS = (1 << 32) - 1  # sequence numbers run from 1 to this, and then from 1 again
_MOST_MISSING = 10_000
# What the library raises of a message that is not as the specification says.
MALFORMED = (
    struct.error,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    ValueError,
    RuntimeError,
    AssertionError,
)
_GONE = {
    ua.StatusCodes.BadSubscriptionIdInvalid,
    ua.StatusCodes.BadNoSubscription,
}


class Session(UaSession):  # type: ignore[misc] # the library's types are not used
    """A session without the library's publish loop: that one acknowledges what no log has yet."""

    def ensure_publish_loop(self) -> None:
        """Nothing: `Feed` publishes."""


class SubscriptionLost(Exception):  # noqa: N818 - a state of the server, not a failure of ours
    """The server knows the subscription no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Notifications that cannot be had any more: those between these two times of the gateway's clock."""

    from_us: int
    to_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The data of one notification message; `done` runs when the log has it."""

    data: list[Any]
    done: Callable[[], None] = nothing


def after(number: int) -> int:
    """The sequence number that follows."""
    return number % _NUMBERS + 1


def between(last: int, number: int) -> Iterator[int]:
    """The sequence numbers after `last` and before `number`; none where `number` is not ahead."""
    if not _ahead(last, number):
        return
    missing = after(last)
    while missing != number:
        yield missing
        missing = after(missing)


def _ahead(last: int, number: int) -> int:
    """How far `number` is ahead of the last one that was taken; 0 where it is not, or none was."""
    ahead = (number - last) % _NUMBERS if last else 0
    return ahead if ahead <= _NUMBERS // 2 else 0


def is_news(last: int, number: int) -> bool:
    """Whether a message of this number comes after the last one that was taken."""
    return not last or bool(_ahead(last, number))


@dataclass(slots=True, kw_only=True)
class Feed:
    """The state of a subscription; it outlives connections.

    `last` is the sequence number that was taken last (0 = none), `heard_us` when the server last said something.
    """

    subscription_id: int
    keep_alive_seconds: float
    heard_us: int = 0
    last: int = 0
    _acknowledged: list[int] = field(default_factory=list)

    @property
    def silence_seconds(self) -> float:
        """A server that says nothing for so long is gone, or knows the subscription no more."""
        return 1.5 * self.keep_alive_seconds + 5.0

    def acknowledgements(self) -> list[ua.SubscriptionAcknowledgement]:
        """What the log has since this was asked last: the server may forget it."""
        numbers, self._acknowledged = self._acknowledged, []
        return [
            ua.SubscriptionAcknowledgement(SubscriptionId=self.subscription_id, SequenceNumber=number)
            for number in numbers
        ]

    def not_told(self, told: list[ua.SubscriptionAcknowledgement]) -> None:
        """These did not reach the server: they are told again."""
        self._acknowledged[:0] = [one.SequenceNumber for one in told]

    async def arrived(self, session: UaSession, result: Any, time_us: int) -> AsyncIterator[Message | Gap]:
        """What a publish response (`ua.PublishResult`) brings, in order, what was missed before it first.

        Raises SubscriptionLost.
        """
        if result.SubscriptionId != self.subscription_id:
            return
        message = result.NotificationMessage
        async for earlier in self._missed(session, message.SequenceNumber, result.AvailableSequenceNumbers, time_us):
            yield earlier
        if not message.NotificationData:  # a keep-alive bears the number of the message that comes next
            self.last = self.last or _before(message.SequenceNumber)
        elif is_news(self.last, message.SequenceNumber):
            yield self._take(message)
        self.heard_us = time_us

    async def resume(self, session: UaSession) -> Message | None:
        """Ask for what came after the last message: it, or None where nothing did. Raises SubscriptionLost."""
        message = await self._again(session, after(self.last))
        return self._take(message) if message is not None else None

    async def _missed(self, session: UaSession, number: int, there: Any, time_us: int) -> AsyncIterator[Message | Gap]:
        gone = max(0, _ahead(self.last, number) - 1 - _MOST_MISSING)  # a number out of the blue: nobody has as many
        for missing in islice(between(self.last, number), _MOST_MISSING):
            message = await self._again(session, missing) if not there or missing in there else None
            if message is not None:
                yield self._take(message)
            else:
                self.last = missing
                gone += 1
        if gone:
            self.last = _before(number)
            yield Gap(from_us=self.heard_us, to_us=time_us, reason=f"{gone} notifications are missing")

    async def _again(self, session: UaSession, number: int) -> Any:
        """The message of this number once more (`ua.NotificationMessage`), None where it cannot be had."""
        try:
            message = await session.republish(self.subscription_id, number)
        except UaStatusCodeError as error:
            if error.code in _GONE:
                raise SubscriptionLost(ua.StatusCode(error.code).name) from error
            if error.code == ua.StatusCodes.BadMessageNotAvailable:
                return None
            raise
        except (UaError, *MALFORMED):  # it would be so each time it is asked for
            return None
        # Some answer an empty message instead of BadMessageNotAvailable.
        is_it = message.SequenceNumber == number and message.NotificationData
        return message if is_it else None

    def _take(self, message: Any) -> Message:
        number = self.last = message.SequenceNumber
        return Message(data=message.NotificationData, done=lambda: self._acknowledged.append(number))


def _before(number: int) -> int:
    return number - 1 if number > 1 else _NUMBERS


async def publish(session: UaSession, feed: Feed) -> Any:
    """One publish request with what is to be acknowledged; the answer (`ua.PublishResult`).

    Raises SubscriptionLost; a message that cannot be decoded raises UaError and is missed by the next one.
    """
    told, is_told = feed.acknowledgements(), False
    try:
        response = await session.publish(told)
        is_told = True
    except UaStatusCodeError as error:
        is_told = True
        if error.code in _GONE:
            raise SubscriptionLost(ua.StatusCode(error.code).name) from error
        raise
    finally:
        if not is_told:  # the link went: a server that never heard of them keeps these messages for nothing
            feed.not_told(told)
    return response.Parameters
