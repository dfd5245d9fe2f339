"""The broker that tests and benches start for themselves."""

import pytest

from streamforge.bus.admin import Admin
from streamforge.bus.canary import Canary
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.gateway.topics import TOPICS

pytestmark = pytest.mark.broker


def test_it_has_the_shipped_topics(broker: ThrowAwayBroker) -> None:
    with Admin(broker.connection("admin")) as admin:
        assert {topic.name for topic in TOPICS} <= set(admin.topics())


def test_a_canary_record_goes_in_and_out(broker: ThrowAwayBroker) -> None:
    with Canary(broker.connection("kafka")) as canary:
        before = canary.look() if canary.is_there() else 0
        canary.sing()
        assert canary.look() == before + 1


def test_its_class_archive_is_in_use(broker: ThrowAwayBroker) -> None:
    assert broker.broker.archive.exists()
    assert "Unable to use shared archive" not in broker.log.read_text()
