"""The broker that tests and benches start for themselves."""

from pathlib import Path

import pytest

from streamforge.bus.admin import Admin
from streamforge.bus.canary import Canary
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.gateway.topics import TOPICS
from tests.broker import new_broker

pytestmark = pytest.mark.broker


def test_it_has_the_shipped_topics(broker: ThrowAwayBroker) -> None:
    with Admin(broker.connection("admin")) as admin:
        assert {topic.name for topic in TOPICS} <= set(admin.topics())


def test_a_canary_record_goes_in_and_out(broker: ThrowAwayBroker) -> None:
    with Canary(broker.connection("kafka")) as canary:
        canary.sing()
        before = canary.look()
        canary.sing()
        assert canary.look() == before + 1


def test_its_class_archive_is_in_use(broker: ThrowAwayBroker) -> None:
    assert broker.broker.archive.exists()
    assert "Unable to use shared archive" not in broker.log.read_text()


def test_what_was_acknowledged_before_kill_9_can_be_read_after_it(tmp_path: Path) -> None:
    """With the high watermark's checkpoint up to a minute old."""
    with new_broker(tmp_path, set_up_topics=False) as own:
        with Canary(own.connection("kafka")) as canary:
            for _ in range(3):
                canary.sing()
        own.kill()
        own.start()
        with Canary(own.connection("kafka")) as canary:
            assert canary.look() == 3
            canary.sing()
            assert canary.look() == 4
