"""The mqtt adapter as a process between a real mosquitto and a real log: killed with 200 messages not acknowledged."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamforge.bench.site import Site
from streamforge.bus.connection import Connection
from streamforge.model import DeadLetter, ReadingBatch
from tests.adapters.mqtt_peers import Mosquitto, Publisher, mosquitto
from tests.broker import new_broker
from tests.chain.checker import in_topic, records

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

UNIT = "streamforge-adapter-mqtt@line"
CONFIGURATION = """
[source]
broker = "mqtt://127.0.0.1:{port}"
client_id = "line"
version = "{version}"

[[topics]]
topic = "line/{{asset_id}}"
payload = "json"
{time}
tags = [{{ param = "number", at = "$.n" }}]
"""
TIMED = 'time = "$.t"\ntime_format = "unix_ms"'
BEFORE, WAITING, AFTER = 50, 200, 10
T_MS = 1_767_323_045_000


@dataclass
class Chain:
    """What the test acts on."""

    site: Site
    peer: Mosquitto
    is_timed: bool

    def publish(self, first: int, count: int) -> None:
        with Publisher(self.peer.port) as publisher:
            publisher.send_all(
                [(f"line/m{n % 4}", f'{{"n": {n}, "t": {T_MS + n}}}') for n in range(first, first + count)]
            )

    @property
    def log(self) -> Connection:
        return self.site.broker.connection("admin")

    @property
    def source(self) -> dict[str, Any]:
        found: dict[str, Any] = self.site.health(UNIT)["details"]["source"]
        return found

    def numbers(self) -> Counter[float]:
        """How often each number stands on the log."""
        found: Counter[float] = Counter()
        for record in records(self.log, "telemetry.raw"):
            if isinstance(record, ReadingBatch):
                found.update(record.values)
        return found

    def wait_until_the_log_has(self, count: int) -> None:
        self.site.wait_for(f"{count} numbers on the log", lambda: len(self.numbers()) >= count)


@pytest.fixture(params=[("5", TIMED), ("3.1.1", "")], ids=["5, with times", "3.1.1, without"])
def chain(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Chain]:
    peer_directory = tmp_path / "mosquitto"
    peer_directory.mkdir()
    extra = "allow_anonymous true\nmax_inflight_messages 1000"
    with (
        new_broker(tmp_path / "broker") as broker,
        Site(tmp_path / "site", broker) as site,
        mosquitto(peer_directory, extra) as peer,
    ):
        version, keys = request.param
        site.write("adapters/mqtt/line.toml", CONFIGURATION.format(port=peer.port, version=version, time=keys))
        site.barrier()
        made = Chain(site, peer, is_timed=bool(keys))
        site.adapter("mqtt", "line")
        site.wait_for("the adapter, subscribed", lambda: "not answered" not in str(site.health(UNIT)["status"]))
        site.wait_for("the adapter, connected", lambda: site.health(UNIT)["state"] == "HEALTHY")
        yield made


def test_killed_with_200_messages_that_are_not_acknowledged(chain: Chain) -> None:
    site = chain.site
    chain.publish(0, BEFORE)
    chain.wait_until_the_log_has(BEFORE)
    os.kill(site.broker.pid, signal.SIGSTOP)
    chain.publish(BEFORE, WAITING)
    site.wait_for("200 messages that wait for the log", lambda: chain.source["unacknowledged"] >= WAITING)
    time.sleep(0.5)  # the client lingers for 20 ms before it sends
    site.signal(UNIT, signal.SIGSTOP)  # the log now takes what it was handed, and nobody hears of it
    os.kill(site.broker.pid, signal.SIGCONT)
    chain.wait_until_the_log_has(BEFORE + 1)
    site.kill(UNIT)
    site.adapter("mqtt", "line")
    chain.publish(BEFORE + WAITING, AFTER)
    chain.wait_until_the_log_has(BEFORE + WAITING + AFTER)
    site.wait_for("acknowledgements", lambda: chain.source["unacknowledged"] == 0)
    found = chain.numbers()
    assert set(found) == {float(n) for n in range(BEFORE + WAITING + AFTER)}, "nothing is lost"
    doubled = sum(found.values()) - len(found)
    if chain.is_timed:
        assert doubled == 0
    else:
        assert 0 < doubled <= chain.source["redelivered"], "at least once, and counted"
    raw = in_topic(chain.log, "telemetry.raw")
    assert raw.doubles() == []
    assert raw.holes() == []
    site.stop(UNIT)
    site.adapter("mqtt", "line")
    site.wait_for("the adapter, connected", lambda: site.health(UNIT)["state"] == "HEALTHY")
    assert chain.source["messages"] == 0, "all of it is acknowledged"


def test_a_bad_payload_is_on_the_log_before_it_is_acknowledged(chain: Chain) -> None:
    with Publisher(chain.peer.port) as publisher:
        publisher.send("line/m1", b"\xff{")
    chain.site.wait_for("the dead letter", lambda: bool(records(chain.log, "dlq.telemetry")))
    (letter,) = records(chain.log, "dlq.telemetry")
    assert isinstance(letter, DeadLetter)
    assert (letter.topic, letter.payload) == ("mqtt:line/m1", b"\xff{")
    chain.site.wait_for("its acknowledgement", lambda: chain.source["unacknowledged"] == 0)
