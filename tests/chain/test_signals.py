"""A polled adapter as a process beside a real log: rows of the class EVENT and ALARM, from a table, over a kill."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from streamforge.bench.site import Site
from streamforge.gateway.throwaway import free_port
from streamforge.model import Alarm, AlarmState, Event, ReadingBatch, Severity
from tests.broker import new_broker
from tests.chain.checker import records

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

# Register 0 of unit 1 is 100 in one second and 101 in the next.
CONFIGURATION = """
poll_interval_ms = 100
[source]
host = "127.0.0.1"
port = {port}
[[devices]]
asset_id = "press"
tags_csv = "press.csv"
"""
TABLE = """param;at;unit;class;when;severity;message
stroke;HR0;mm;EVENT;;HIGH;
hot;HR0;celsius;ALARM;> 100;CRITICAL;the press is hot
force;HR1;kN;;;;
"""
WANTED = 3


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A log of its own, for other tests write events, too."""
    with new_broker(tmp_path / "broker") as broker, Site(tmp_path / "site", broker) as running:
        port = free_port()
        running.barrier()
        running.write("adapters/modbus-tcp/line.toml", CONFIGURATION.format(port=port))
        running.write("adapters/modbus-tcp/press.csv", TABLE)
        running.start("sim", "web", "sim", "--port", str(port), "--load", "1x2")
        yield running


def events(site: Site) -> list[Event]:
    found = records(site.broker.connection("admin"), "events.raw")
    return [one for one in found if isinstance(one, Event) and one.asset_id == "press"]


def alarms(site: Site) -> list[Alarm]:
    return [one for one in records(site.broker.connection("admin"), "alarms.raw") if isinstance(one, Alarm)]


def test_events_and_alarms_of_a_machine_stand_on_their_topics_once_over_a_kill(site: Site) -> None:
    unit = site.adapter("modbus-tcp", "line")
    site.wait_for("events", lambda: len(events(site)) >= WANTED)
    site.kill(unit)
    site.adapter("modbus-tcp", "line")
    before = len(events(site))
    site.wait_for("more events and alarms", lambda: len(events(site)) >= before + WANTED and len(alarms(site)) >= 2)

    told = {one.event_id: one for one in events(site)}
    assert {(one.type, one.severity) for one in told.values()} == {("stroke", Severity.HIGH)}
    assert {(one.details["before"], one.details["value"]) for one in told.values()} == {("100", "101"), ("101", "100")}
    numbers = sorted(int(one.rsplit("/", 1)[1]) for one in told)
    assert all(after == one + 1 for one, after in pairwise(numbers)), (
        "none is missing; a repeat has the id of the first"
    )

    for one in alarms(site):
        begins = one.state is AlarmState.UNACKNOWLEDGED
        assert (one.severity, one.message, one.threshold) == (Severity.CRITICAL, "the press is hot", 100.0)
        assert begins or one.state is AlarmState.RETURNED_UNACKNOWLEDGED
        assert (one.value, one.cleared_at_us > 0) == ((101.0, False) if begins else (100.0, True))
    states = {one.alarm_id: one.state for one in alarms(site)}
    assert AlarmState.RETURNED_UNACKNOWLEDGED in states.values(), "one id from its begin to its end"

    batches = [
        one for one in records(site.broker.connection("admin"), "telemetry.raw") if isinstance(one, ReadingBatch)
    ]
    seen = {name for batch in batches for name in batch.names.parameters}
    assert seen == {"stroke", "hot", "force"}, "readings of such rows are reported as all others"
