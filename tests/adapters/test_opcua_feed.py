"""Sequence numbers of a subscription: what is missed is asked for again, and what cannot be had is one gap."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError

from streamforge.adapters.opcua_feed import Feed, Gap, SubscriptionLost, after, between, is_news, publish

LAST = (1 << 32) - 1


def note(number: int, *data: str) -> Any:
    return ua.NotificationMessage(SequenceNumber=number, NotificationData=list(data))


@dataclass
class Server:
    """The session of a server that kept some messages; `refusal` is what it answers instead."""

    kept: dict[int, Any] = field(default_factory=dict)
    refusal: int = 0
    is_quiet: bool = False
    asked: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    async def republish(self, _subscription: int, number: int) -> Any:
        self.asked.append(number)
        if self.refusal:
            raise UaStatusCodeError(self.refusal)
        if number not in self.kept:
            if self.is_quiet:
                return ua.NotificationMessage()
            raise UaStatusCodeError(ua.StatusCodes.BadMessageNotAvailable)
        return self.kept[number]

    async def publish(self, acknowledgements: list[Any]) -> Any:
        if self.refusal:
            raise UaStatusCodeError(self.refusal)
        self.told += [one.SequenceNumber for one in acknowledgements]
        raise ConnectionError


def feed(last: int = 0) -> Feed:
    return Feed(subscription_id=7, keep_alive_seconds=10.0, heard_us=100, last=last)


def arrived(one: Feed, server: Server, message: Any, available: tuple[int, ...] = ()) -> list[Any]:
    """What comes of a publish response: the data of messages, and gaps."""
    result = ua.PublishResult(SubscriptionId=7, NotificationMessage=message, AvailableSequenceNumbers=list(available))

    async def main() -> list[Any]:
        return [found async for found in one.arrived(server, result, 200)]

    return [found if isinstance(found, Gap) else found.data for found in asyncio.run(main())]


def test_numbers_go_up_by_one_and_from_the_last_to_the_first() -> None:
    assert after(1) == 2
    assert after(LAST) == 1
    assert list(between(4, 7)) == [5, 6]
    assert list(between(LAST - 1, 2)) == [LAST, 1]
    assert list(between(0, 900)) == [], "the first message of all follows nothing"
    assert list(between(9, 9)) == list(between(9, 3)) == []
    assert is_news(LAST, 1)
    assert not is_news(5, 5)
    assert not is_news(5, 4)


def test_what_was_missed_comes_first() -> None:
    server = Server({5: note(5, "b"), 6: note(6, "c")})
    one = feed(4)
    assert arrived(one, server, note(7, "d")) == [["b"], ["c"], ["d"]]
    assert one.last == 7


@pytest.mark.timeout(20)
def test_a_number_out_of_the_blue_is_one_hole_and_takes_no_time() -> None:
    one = feed(4)
    number = 2_000_000_000
    assert arrived(one, Server(), note(number, "d"), available=(number,)) == [
        Gap(from_us=100, to_us=200, reason=f"{number - 5} notifications are missing"), ["d"],
    ]  # fmt: skip
    assert one.last == number


def test_a_keep_alive_shows_that_something_was_missed_and_takes_no_number() -> None:
    server = Server({5: note(5, "b")})
    one = feed(4)
    assert arrived(one, server, note(6)) == [["b"]]
    assert arrived(one, server, note(6)) == []
    assert arrived(one, server, note(6, "c")) == [["c"]]


def test_the_first_message_may_be_a_keep_alive() -> None:
    one = feed()
    assert arrived(one, Server(), note(1)) == []
    assert arrived(one, Server(), note(1, "a")) == [["a"]]


def test_a_message_that_came_already_is_not_taken_again() -> None:
    assert arrived(feed(4), Server(), note(4, "a")) == []


@pytest.mark.parametrize("is_quiet", [False, True])
def test_what_cannot_be_had_is_one_gap_with_its_times(is_quiet: bool) -> None:
    server = Server({6: note(6, "c")}, is_quiet=is_quiet)
    found = arrived(feed(3), server, note(8, "e"))
    gap = Gap(from_us=100, to_us=200, reason="3 notifications are missing")
    assert found == [["c"], gap, ["e"]]


def test_what_the_server_says_it_does_not_have_is_not_asked_for() -> None:
    server = Server({6: note(6, "c")})
    arrived(feed(3), server, note(8, "e"), available=(6, 8))
    assert server.asked == [6]


def test_a_message_is_acknowledged_when_the_log_has_it() -> None:
    one = feed(1)

    async def main() -> None:
        result = ua.PublishResult(SubscriptionId=7, NotificationMessage=note(2, "a"))
        found = [message async for message in one.arrived(Server(), result, 200)]
        assert one.acknowledgements() == []
        assert not isinstance(found[0], Gap)
        found[0].done()
        assert [told.SequenceNumber for told in one.acknowledgements()] == [2]
        assert one.acknowledgements() == [], "once"

    asyncio.run(main())


def test_an_acknowledgement_that_did_not_reach_the_server_is_told_again() -> None:
    one, server = feed(1), Server()
    one._acknowledged.append(1)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            asyncio.run(publish(server, one))
    assert server.told == [1, 1]


@pytest.mark.parametrize("code", [ua.StatusCodes.BadSubscriptionIdInvalid, ua.StatusCodes.BadNoSubscription])
def test_a_subscription_that_the_server_does_not_know_is_lost(code: int) -> None:
    server = Server(refusal=code)
    with pytest.raises(SubscriptionLost):
        arrived(feed(3), server, note(8, "e"))
    with pytest.raises(SubscriptionLost):
        asyncio.run(publish(server, feed(3)))
