"""The lora adapter between a network server's mosquitto and a real log: killed with 200 unacknowledged uplinks."""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamforge.bench.site import Site
from streamforge.model import DeadLetter, ReadingBatch
from tests.adapters.mqtt_peers import Mosquitto, Publisher, mosquitto
from tests.broker import new_broker
from tests.chain.checker import in_topic, records

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

UNIT = "streamforge-adapter-lora@farm"
CONFIGURATION = """
[source]
transport = "chirpstack"

[mqtt]
broker = "mqtt://127.0.0.1:{port}"
client_id = "farm"

[[devices]]
asset_id = "tank"
dev_eui = "0101010101010101"
tags = [{{ param = "number", at = "FCNT" }}]
"""
TOPIC = "application/1/device/0101010101010101/event/up"
BEFORE, WAITING, AFTER = 50, 200, 10


def publish(peer: Mosquitto, first: int, count: int) -> None:
    """Uplinks of a second each, as ChirpStack tells them."""
    with Publisher(peer.port) as publisher:
        publisher.send_all(
            [
                (TOPIC, json.dumps({
                    "deviceInfo": {"devEui": "0101010101010101"}, "fCnt": number, "fPort": 1, "data": "AAE=",
                    "time": f"2024-05-01T12:{number // 60:02}:{number % 60:02}+00:00",
                }).encode())
                for number in range(first, first + count)
            ]
        )  # fmt: skip


def numbers(site: Site) -> Counter[float]:
    """How often each number stands on the log."""
    found: Counter[float] = Counter()
    for record in records(site.broker.connection("admin"), "telemetry.raw"):
        if isinstance(record, ReadingBatch):
            found.update(record.values)
    return found


def source(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = site.health(UNIT)["details"]["source"]
    return found


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[tuple[Site, Mosquitto]]:
    peer_directory = tmp_path / "mosquitto"
    peer_directory.mkdir()
    extra = "allow_anonymous true\nmax_inflight_messages 1000"
    with (
        new_broker(tmp_path / "broker") as broker,
        Site(tmp_path / "site", broker) as site,
        mosquitto(peer_directory, extra) as peer,
    ):
        site.write("adapters/lora/farm.toml", CONFIGURATION.format(port=peer.port))
        site.barrier()
        site.adapter("lora", "farm")
        site.wait_for("the adapter, subscribed", lambda: "not answered" not in str(site.health(UNIT)["status"]))
        site.wait_for("the adapter, connected", lambda: site.health(UNIT)["state"] == "HEALTHY")
        yield site, peer


def test_killed_with_200_uplinks_that_are_not_acknowledged(chain: tuple[Site, Mosquitto]) -> None:
    """Uplinks carry a time: nothing is lost, and nothing doubled."""
    site, peer = chain
    publish(peer, 0, BEFORE)
    site.wait_for("readings", lambda: len(numbers(site)) >= BEFORE)
    os.kill(site.broker.pid, signal.SIGSTOP)
    publish(peer, BEFORE, WAITING)
    site.wait_for("200 uplinks that wait for the log", lambda: source(site)["unacknowledged"] >= WAITING)
    time.sleep(0.5)  # the client lingers for 20 ms before it sends
    site.signal(UNIT, signal.SIGSTOP)  # the log now takes what it was handed, and nobody hears of it
    os.kill(site.broker.pid, signal.SIGCONT)
    site.wait_for("readings of some of them", lambda: len(numbers(site)) > BEFORE)
    site.kill(UNIT)
    site.adapter("lora", "farm")
    publish(peer, BEFORE + WAITING, AFTER)
    site.wait_for("all readings", lambda: len(numbers(site)) >= BEFORE + WAITING + AFTER)
    site.wait_for("acknowledgements", lambda: source(site)["unacknowledged"] == 0)
    assert numbers(site) == Counter(dict.fromkeys(map(float, range(BEFORE + WAITING + AFTER)), 1))
    repeats = re.search(r'streamforge_records_dropped_total{intentional="true"} ([\d.]+)', site.metrics(UNIT))
    assert repeats is not None
    assert float(repeats[1]) > 0, "the broker did send again what the log had"
    raw = in_topic(site.broker.connection("admin"), "telemetry.raw")
    assert (raw.doubles(), raw.holes()) == ([], [])


def test_a_bad_message_is_on_the_log_before_it_is_acknowledged(chain: tuple[Site, Mosquitto]) -> None:
    site, peer = chain
    with Publisher(peer.port) as publisher:
        publisher.send(TOPIC, b"\xff{")
    log = site.broker.connection("admin")
    site.wait_for("the dead letter", lambda: bool(records(log, "dlq.telemetry")))
    (letter,) = records(log, "dlq.telemetry")
    assert isinstance(letter, DeadLetter)
    assert (letter.topic, letter.payload) == (f"lora:{TOPIC}", b"\xff{")
    site.wait_for("its acknowledgement", lambda: source(site)["unacknowledged"] == 0)
