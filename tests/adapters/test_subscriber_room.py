"""When a peer is made to wait, when it waits no longer, and what one that floods may take of the memory."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from streamforge.adapters import outbox, subscriber
from tests.adapters.test_subscriber import Bench, batch


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.unit.close()


def test_a_peer_is_made_to_wait_too_where_nothing_that_it_sends_is_worth_a_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "MOST_WAITING", 3)
    told: list[int] = []
    bench.radio.script = [batch(1.0, done=partial(told.append, number)) for number in range(9)]
    for _ in range(3):
        bench.unit.step(threading.Event())
    assert (bench.radio.put, told) == (4, [])
    bench.log.acknowledge()
    bench.until(lambda: bench.radio.put == 9)
    assert told == list(range(9))


def test_a_peer_waits_no_longer_when_what_waited_was_too_large_for_the_log(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "MOST_WAITING_BYTES", 300)
    bench.log.is_away, bench.log.most_bytes = True, 10
    bench.radio.script = [batch(float(level * 10)) for level in range(50)]
    for _ in range(3):
        bench.unit.step(threading.Event())
    assert bench.radio.put < 10
    bench.log.is_away = False
    bench.until(lambda: bench.radio.put == 50)


def test_a_peer_that_names_a_new_asset_with_each_message_does_not_fill_the_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((outbox, "MOST_SOURCES"), (subscriber, "MOST_DEVICES")):
        monkeypatch.setattr(module, name, 5)
    bench.radio.script = [batch(1.0, asset_id=f"asset {number}") for number in range(50)]
    bench.until(lambda: bench.radio.put == 50)
    assert len(bench.unit._box._sources) <= 5
    assert len(bench.unit._heard_seconds) == 1
    assert len(bench.unit._records) == 5
    assert [one.source.asset_id for one in bench.log.batches] == [f"asset {number}" for number in range(50)]
