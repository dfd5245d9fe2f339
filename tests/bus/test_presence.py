"""What is said of a broker that comes and goes."""

import logging

import pytest

from streamforge.bus.presence import Presence
from streamforge.logs import Log


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="streamforge.test")
    return caplog


def test_a_change_is_said_once_and_the_first_connection_is_no_news(said: pytest.LogCaptureFixture) -> None:
    presence = Presence(Log("test"), "127.0.0.1:1")
    assert presence.reason == "not tried yet"
    for reason in ("", "", "no answer", "no answer", "still none", "", ""):
        presence.note(reason)
        assert presence.reason == reason
    assert [record.getMessage() for record in said.records] == ["broker_away", "broker_back"]
    assert vars(said.records[0])["fields"] == {"bootstrap": "127.0.0.1:1", "reason": "no answer"}
