"""The whole chain as processes beside a real broker: what is killed at any moment neither loses nor doubles."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.bench.chain import Load, adapter_toml
from streamforge.bench.site import Site
from streamforge.bus.connection import Connection
from streamforge.gateway import ledger
from streamforge.gateway.throwaway import free_port
from tests.broker import new_broker
from tests.chain import checker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

# Register 3 of unit 2 shows 203 and 204 in turns: a reading in every other second's scans is taken out.
REJECTS_SOME = """
[[rules]]
asset = "device_2"
parameter = "register_3"
min = 0
max = 203.5
"""
LOAD = Load(seconds=0, points=100, devices=5, interval_ms=50, only_adapter=False)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A running chain of simulated plant, adapter, validator, aggregator and file sink, with a broker of its own."""
    with new_broker(tmp_path / "broker") as broker, Site(tmp_path / "site", broker) as running:
        port = free_port()
        running.write("adapters/modbus-tcp/line.toml", adapter_toml(LOAD, port))
        running.write("sinks/file/out.toml", "[batch]\nage_ms = 200\n")
        running.write("transforms/validator.toml", REJECTS_SOME)
        running.start("sim", "web", "sim", "--port", str(port), "--load", f"{LOAD.devices}x{LOAD.registers}")
        running.barrier()
        start_all(running)
        running.wait_for("delivery", lambda: delivered(running) > 0)
        yield running


ADAPTER, FILE = "streamforge-adapter-modbus-tcp@line", "streamforge-sink-file@out"
VALIDATOR, AGGREGATOR = "streamforge-transform-validator", "streamforge-transform-aggregator"


def start(site: Site, unit: str) -> None:
    """Start one unit of the chain."""
    {
        ADAPTER: lambda: site.adapter("modbus-tcp", "line"),
        VALIDATOR: lambda: site.transform("validator"),
        AGGREGATOR: lambda: site.transform("aggregator"),
        FILE: lambda: site.sink("file", "out"),
    }[unit]()


def start_all(site: Site) -> None:
    """Start every unit of the chain."""
    for unit in (ADAPTER, VALIDATOR, AGGREGATOR, FILE):
        start(site, unit)


def delivered(site: Site) -> int:
    """Readings that the sink says it has written."""
    progress = site.health(FILE)["details"]["progress"]
    return sum(row[2] for row in json.loads(progress)["counts"]) if progress else 0


def accounted(site: Site) -> int:
    """Readings that the sink has written or knows to be rejected."""
    progress = site.health(FILE)["details"]["progress"]
    return sum(row[2] + row[3] for row in json.loads(progress)["counts"]) if progress else 0


def come_to_rest(site: Site) -> None:
    """Stop the adapter and wait until all it acknowledged is delivered."""
    site.stop(ADAPTER)
    total = sum(checker.in_topic(admin(site), "telemetry.raw").readings.values())
    site.wait_for(f"{total} readings accounted for", lambda: accounted(site) >= total)


def admin(site: Site) -> Connection:
    """The checker's way to the broker."""
    return site.broker.connection("admin")


def assert_nothing_lost_or_doubled(site: Site) -> None:
    """Raw without holes; clean holds each of its batches once; the export each of their readings once."""
    raw, clean = checker.in_topic(admin(site), "telemetry.raw"), checker.in_topic(admin(site), "telemetry.clean")
    assert raw.doubles() == []
    assert raw.holes() == []
    assert clean.doubles() == []
    assert clean.readings == raw.readings
    export = checker.in_export(site.directory / "state" / FILE)
    assert max(export.values()) == 1
    rejected = sum(clean.rejected.values())
    assert rejected == sum(checker.dead_letters(admin(site)).values()) > 0
    assert len(export) == sum(raw.readings.values()) - rejected
    site.wait_for("closed windows", lambda: bool(checker.windows(admin(site), "telemetry.1s")))
    for topic in ("telemetry.1s", "telemetry.10s"):
        assert set(checker.windows(admin(site), topic).values()) <= {1}, topic
    assert max(checker.dead_letters(admin(site)).values()) == 1


def test_steady_flow_is_complete_and_balanced(site: Site) -> None:
    site.wait_for("some seconds of flow", lambda: delivered(site) > 5000)
    balance = ledger.take(admin(site), site.run)
    assert balance.balanced, balance.to_json()
    assert balance.totals()["read"] > 5000
    come_to_rest(site)
    assert_nothing_lost_or_doubled(site)


@pytest.mark.parametrize("unit", [ADAPTER, VALIDATOR, AGGREGATOR, FILE])
def test_kill_9_of_a_unit_at_random_moments_loses_and_doubles_nothing(site: Site, unit: str) -> None:
    moments = random.Random(unit)
    for _ in range(5):
        time.sleep(moments.uniform(0.4, 1.6))
        site.kill(unit)
        start(site, unit)
    site.wait_for("the unit to work again", lambda: site.health(unit)["state"] == "HEALTHY")
    before = delivered(site)
    site.wait_for("flow after the last kill", lambda: delivered(site) > before + 500)
    balance = ledger.take(admin(site), site.run)
    assert balance.balanced, balance.to_json()
    come_to_rest(site)
    assert_nothing_lost_or_doubled(site)


def test_kill_9_of_the_broker_loses_and_doubles_nothing(site: Site) -> None:
    for _ in range(3):
        time.sleep(1.5)
        site.broker.kill()
        site.broker.start()
    before = delivered(site)
    site.wait_for("flow after the last kill", lambda: delivered(site) > before + 500, 60.0)
    balance = ledger.take(admin(site), site.run)
    assert balance.balanced, balance.to_json()
    come_to_rest(site)
    assert_nothing_lost_or_doubled(site)


def test_stopping_and_starting_in_order_drains_and_goes_on(site: Site) -> None:
    before = delivered(site)
    for unit in (FILE, VALIDATOR, AGGREGATOR, ADAPTER):
        assert site.stop(unit) == 0, site.logs()
        start(site, unit)
    site.wait_for("flow again", lambda: delivered(site) > before + 500)
    come_to_rest(site)
    assert_nothing_lost_or_doubled(site)


def test_a_wrong_kafka_password_ends_the_unit_with_78_and_names_the_user(site: Site) -> None:
    (site.broker.credentials / "kafka-sink-file").write_text("wrong")
    site.stop(FILE)
    start(site, FILE)
    assert site.processes.pop(FILE).wait(30) == 78
    assert "refuses the password of Kafka user 'sink-file'" in (site.run / f"{FILE}.faults.json").read_text()


@pytest.mark.parametrize("unit", [ADAPTER, VALIDATOR, AGGREGATOR, FILE])
def test_a_unit_stops_in_order_beside_a_broker_that_hangs(site: Site, unit: str) -> None:
    os.kill(site.broker.pid, signal.SIGSTOP)
    try:
        time.sleep(1.0)
        assert site.stop(unit) == 0, site.logs()
    finally:
        os.kill(site.broker.pid, signal.SIGCONT)
    start(site, unit)
    site.wait_for("the sink", lambda: delivered(site) > 0)
    before = delivered(site)
    site.wait_for("flow again", lambda: delivered(site) > before + 500, 60.0)
    come_to_rest(site)
    assert_nothing_lost_or_doubled(site)
