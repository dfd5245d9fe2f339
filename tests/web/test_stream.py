"""The stream of changes: what it sends, how many seats there are, how it ends."""

import http.client
import json

import pytest

from streamforge.web.stream import SEATS, Stream, Streams
from tests.web import peers


def events(gateway: peers.Gateway, cookie: str, count: int) -> list[dict[str, str]]:
    """The first `count` events of the stream of Now."""
    client = peers.Browser(gateway.port)
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=10, context=client.context)
    connection.request("GET", "/live/devices", headers={"Cookie": cookie})
    response = connection.getresponse()
    assert response.getheader("Content-Type", "").startswith("text/event-stream")
    found: list[dict[str, str]] = []
    while len(found) < count:
        line = response.readline().decode()
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: ")))
    connection.close()
    return found


def test_first_everything_then_what_changed(gateway: peers.Gateway) -> None:
    first, second = events(gateway, gateway.session(), 2)
    assert {"where", "intro", "device-0", "device-1", "device-2"} <= set(first)
    assert "intro" not in second
    assert "where" in second


def taken(streams: Streams, owner: str) -> list[Stream]:
    """All the seats, held by one owner."""
    held = [streams.open(dict, owner) for _ in range(SEATS)]
    return [one for one in held if one is not None]


def test_a_seat_too_many_is_refused_and_a_closed_one_is_free_again() -> None:
    streams = Streams()
    held = taken(streams, "one")
    assert len(held) == SEATS
    assert streams.open(dict, "other") is None
    next(held[0])
    held[0].close()
    held[0].close()
    assert streams.open(dict, "other") is not None
    assert streams.open(dict, "third") is None


def test_who_walks_through_the_pages_quickly_is_never_refused_the_oldest_of_the_login_ends() -> None:
    streams = Streams()
    held = taken(streams, "one")
    newest = streams.open(dict, "one")
    assert newest is not None
    assert [one.over.is_set() for one in held] == [True] + [False] * (SEATS - 1)
    assert list(held[0]) == ["retry: 3000\n\n"]
    assert streams.open(dict, "other") is None  # what gave way gives no second seat back


def test_a_stop_ends_them_all() -> None:
    streams = Streams()
    held = taken(streams, "one")
    streams.stop()
    assert all(one.over.is_set() for one in held)


def test_it_ends_when_the_session_does() -> None:
    stream = Streams(seats=1).open(lambda: None, "one")
    assert stream is not None
    assert [text for text in stream] == ["retry: 3000\n\n"]  # noqa: C416 - read it out


def test_a_fault_in_a_page_gives_the_seat_back() -> None:
    def fault() -> dict[str, str]:
        raise KeyError

    streams = Streams(seats=1)
    stream = streams.open(fault, "one")
    assert stream is not None
    with pytest.raises(KeyError):
        list(stream)
    assert streams.open(fault, "one") is not None


def test_all_seats_taken_is_503_with_a_time_to_come_back(gateway: peers.Gateway, browser: peers.Browser) -> None:
    streams = gateway.web._site.streams
    held = taken(streams, "somebody else")
    answer = browser.get("/live/now")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    for one in held:
        one.close()
