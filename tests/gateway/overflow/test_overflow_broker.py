"""The controller beside a real broker with a small budget: what goes, what stays, what is said, when producers wait."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge import pressure
from streamforge.gateway.topics import MEBIBYTE
from streamforge.health import State
from streamforge.model import AlarmState
from tests.gateway.overflow.bench import FILLED, SINK, Bench

pytestmark = pytest.mark.broker


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.stop()


def test_at_70_it_says_so_unless_everybody_has_what_fills_the_log_and_nothing_goes(bench: Bench) -> None:
    bench.fill("telemetry.raw", 6)
    bench.settle(75)
    bench.step_until("the tier", lambda: bench.tier() == 70)
    health = bench.overflow.health()
    assert (health.state, health.details["tier"]) == (State.HEALTHY, "alert"), health.status
    assert int(health.details["log_history_bytes"]) > 4 * MEBIBYTE
    bench.servers["streamforge-transform-validator"].stop()
    bench.reads("validator", "telemetry.raw", hold_offset=0)
    again = bench.controller()
    again.step(threading.Event())
    assert again.health().state is State.DEGRADED, again.status()
    assert set(bench.starts().values()) == {0}
    assert bench.events() == []


def test_at_80_raw_goes_that_is_old_and_nothing_younger(bench: Bench) -> None:
    bench.fill("telemetry.raw", 6)
    bench.fill("telemetry.clean", 4)
    bench.settle(85)
    bench.step_until("the tier", lambda: bench.tier() == 80)
    assert set(bench.starts().values()) == {0}
    bench.overflow.age_seconds = 1.0
    bench.step_until("the deletion", lambda: bench.starts()["telemetry.raw"] > 0)
    starts = bench.starts()
    assert starts["telemetry.raw"] >= 40
    assert starts["telemetry.clean"] == 0


def test_at_90_the_lowest_priority_goes_first_and_is_said_first(bench: Bench) -> None:
    for topic in FILLED:
        bench.fill(topic, 4)
    bench.settle(92)
    bench.step_until("the eviction", lambda: bench.overflow.health().details["evicted_records"] != {})
    bench.step_until("room", lambda: bench.tier() < 90)
    starts = bench.starts()
    assert starts.pop("telemetry.raw") > 0
    assert set(starts.values()) == {0}
    (event,) = bench.events()
    assert event.type == "buffer_overflow"
    assert event.details["topic"] == "telemetry.raw"
    assert int(event.details["records"]) == bench.starts()["telemetry.raw"]
    assert (event.details["oldest_offset"], event.details["undelivered"]) == ("0", "0")
    assert 0 < int(event.details["oldest_time_us"]) <= int(event.details["newest_time_us"])
    text = bench.overflow.metrics.text().decode()
    assert f'streamforge_evicted_records_total{{topic="telemetry.raw"}} {event.details["records"]}.0' in text


def test_at_95_telemetry_waits_until_there_is_room_and_alarms_are_never_touched(bench: Bench) -> None:
    bench.fill("alarms.clean", 6)
    bench.fill("dlq.telemetry", 3)
    bench.settle(98)
    bench.step_until("the alarm", lambda: bench.alarms() != [])
    told = pressure.read(bench.run)
    assert told is not None
    assert (told.tier, told.is_gated) == (95, True)
    assert bench.overflow.health().state is State.UNHEALTHY
    assert pressure.Gate(bench.run).reason
    assert bench.starts()["alarms.clean"] == bench.starts()["dlq.telemetry"] == 0
    bench.budget_bytes *= 2
    bench.step_until("the end of the alarm", lambda: len(bench.alarms()) == 2)
    assert not pressure.Gate(bench.run).reason
    raised, cleared = bench.alarms()
    assert (raised.type, raised.alarm_id) == ("disk_full", cleared.alarm_id)
    assert (raised.state, cleared.state) == (AlarmState.UNACKNOWLEDGED, AlarmState.CLEARED)


def test_what_a_sink_has_not_delivered_stays_while_something_else_can_go(bench: Bench) -> None:
    for topic in ("telemetry.raw", "telemetry.clean", "telemetry.1min"):
        bench.fill(topic, 4)
    bench.sink(telemetry_clean=0)
    (bench.root / "sinks/file").mkdir(parents=True)
    (bench.root / "sinks/file/slow.toml").touch()
    bench.settle(92)
    bench.step_until("the question", lambda: bench.tier() == 90)
    bench.hush(SINK)  # it is silent now, and what it said last counts
    bench.budget_bytes = bench.log_bytes() // 2
    bench.step_until("what others have", lambda: bench.starts()["telemetry.1min"] > 0)
    bench.step_until("room", lambda: bench.tier() < 90)
    assert bench.starts()["telemetry.clean"] == 0
    bench.budget_bytes = bench.log_bytes() // 2
    bench.step_until("the last resort", lambda: bench.starts()["telemetry.clean"] > 0)
    by_topic = {event.details["topic"]: event for event in bench.events()}
    assert by_topic["telemetry.1min"].details["undelivered"] == "0"
    assert by_topic["telemetry.clean"].details["undelivered"] == by_topic["telemetry.clean"].details["records"]
    assert by_topic["telemetry.clean"].details["undelivered_to"].startswith("sink-file@slow=")


def test_what_the_validator_has_not_read_is_not_downsampled_away(bench: Bench) -> None:
    bench.servers["streamforge-transform-validator"].stop()
    bench.reads("validator", "telemetry.raw", hold_offset=17)
    bench.overflow.age_seconds = 0.0
    bench.fill("telemetry.raw", 6)
    bench.settle(85)
    bench.step_until("the deletion", lambda: bench.starts()["telemetry.raw"] > 0)
    assert 0 < bench.starts()["telemetry.raw"] <= 17
