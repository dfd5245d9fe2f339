"""What the page says of a gateway: the words, the priority and the hand movement."""

from dataclasses import replace
from datetime import UTC

import pytest

from streamforge.web.diagnosis import OVERFLOW, SYNCD, Priority, readable
from streamforge.web.snapshot import Clock, Device, Disk, Ledger, Sink, SinkLedger, Snapshot, Unit, UnitState
from streamforge.web.verdict import Overall, Verdict, judge

NOW = 1_790_000_000_000_000
MINUTE = 60_000_000
ADAPTER = Unit(name="streamforge-adapter-modbus-tcp@plant", state=UnitState.HEALTHY)
PUMP = Device(
    unit=ADAPTER.name, key="1", asset_id="pump", protocol="modbus-tcp", address="10.0.0.5:502 unit 1", state="ONLINE"
)
BOILER = replace(PUMP, key="2", asset_id="boiler", address="10.0.0.5:502 unit 2")
FILE = Sink(unit="streamforge-sink-file@export", target="file", instance="export", state=UnitState.HEALTHY)
WELL = Snapshot(
    taken_us=NOW, hostname="gw", generation="1", clock=Clock.SYNCED, disk=Disk(used_bytes=10, total_bytes=100),
    uptime_seconds=1000.0, units=(ADAPTER,), devices=(PUMP, BOILER), sinks=(FILE,),
)  # fmt: skip


def verdict(snapshot: Snapshot) -> Verdict:
    return judge(snapshot, zone=UTC, rate=1204.0)


def test_a_gateway_that_is_well_has_nothing_to_do() -> None:
    found = verdict(WELL)
    assert (found.overall, found.todo) == (Overall.NORMAL, ())
    assert found.headline == "Normal: all 2 devices answer, 1,204 readings a second"
    assert found.safe == "Everything read is kept. Delivery is up to date."


def test_a_way_out_that_was_stopped_is_named_and_what_it_has_not_got_waits() -> None:
    stopped = Unit(name=FILE.unit, state=UnitState.STOPPED)
    found = verdict(replace(WELL, units=(ADAPTER, stopped), sinks=()))
    assert found.headline == "Degraded: sink file/export does not run"
    assert found.safe == "Everything read is kept. For file/export it waits in the log until that runs again."


def test_without_any_way_out_nothing_is_delivered() -> None:
    assert verdict(replace(WELL, sinks=())).safe.endswith("Nothing is delivered: no way out is configured.")


def test_one_silent_device_of_two_at_one_address_is_the_devices_fault() -> None:
    silent = replace(BOILER, state="OFFLINE", last_success_us=NOW - 5 * MINUTE, last_error="no answer in 1 s")
    found = verdict(replace(WELL, devices=(PUMP, silent)))
    assert found.headline == "Degraded: 1 of 2 devices does not answer"
    (todo,) = found.todo
    assert (todo.priority, todo.what) == (Priority.HIGH, "boiler is silent")
    assert "10.0.0.5:502 unit 2 (no answer in 1 s)" in todo.evidence
    assert todo.hand == "At the same address pump answers: check this device's power and its unit number."


def test_all_silent_at_one_address_is_the_lines_fault() -> None:
    silent = tuple(replace(device, state="OFFLINE") for device in (PUMP, BOILER))
    (todo,) = verdict(replace(WELL, devices=silent)).todo
    assert todo.what == "Nothing answers at 10.0.0.5:502: pump and boiler are silent"
    assert "Check the network cable" in todo.hand
    assert "They have never answered" in todo.evidence


def test_a_device_that_answers_some_requests_only_says_which_kind_of_fault() -> None:
    part = replace(PUMP, state="PARTLY", last_error="10.0.0.5:502: illegal data address")
    (todo,) = verdict(replace(WELL, devices=(part, BOILER))).todo
    assert (todo.priority, todo.what) == (Priority.MEDIUM, "pump answers only in part")
    assert "(illegal data address)" in todo.evidence


def test_without_the_log_the_adapters_hold_what_they_read() -> None:
    stopped = Unit(name="kafka", state=UnitState.STOPPED)
    found = verdict(replace(WELL, units=(ADAPTER, stopped), held_bytes=1_200_000))
    assert found.headline == "Unhealthy: the log (Kafka) does not run"
    assert found.safe == "What was read before is kept. New readings wait in memory (1.2 MB) until the log runs again."
    assert "systemctl start kafka" in found.todo[0].hand


def test_a_unit_that_systemd_gave_up_says_how_it_ended() -> None:
    failed = Unit(name=ADAPTER.name, state=UnitState.FAILED, status="given up by systemd (signal)")
    found = verdict(replace(WELL, units=(failed,)))
    assert found.headline == "Unhealthy: adapter modbus-tcp/plant has failed"
    assert found.todo[0].evidence == "It was started 5 times within 5 minutes; the last time it was killed."


def test_a_sink_that_waits_is_medium_and_nothing_is_lost() -> None:
    waiting = replace(FILE, breaker="open", last_error="disk is full", lag_records=5000, last_success_us=NOW - MINUTE)
    found = verdict(replace(WELL, sinks=(waiting,)))
    assert found.headline == "Degraded: file/export takes no data"
    assert found.safe == "Everything read is kept. Data out to file/export waits and goes on by itself."
    (todo,) = found.todo
    assert todo.priority is Priority.MEDIUM
    assert "disk is full" in todo.evidence
    assert "5,000 records wait" in todo.hand


@pytest.mark.parametrize(
    ("name", "state", "overall", "priority"),
    [
        ("kafka", UnitState.FAILED, Overall.FAILED, Priority.CRITICAL),
        (ADAPTER.name, UnitState.FAILED, Overall.UNHEALTHY, Priority.HIGH),
        (ADAPTER.name, UnitState.STOPPED, Overall.DEGRADED, Priority.HIGH),
        (ADAPTER.name, UnitState.SILENT, Overall.DEGRADED, Priority.MEDIUM),
        ("kafka", UnitState.SILENT, Overall.UNHEALTHY, Priority.MEDIUM),
        ("kafka", UnitState.STOPPED, Overall.UNHEALTHY, Priority.CRITICAL),
    ],
)
def test_units_that_do_not_work(name: str, state: UnitState, overall: Overall, priority: Priority) -> None:
    found = verdict(replace(WELL, units=(Unit(name=name, state=state),)))
    assert found.overall is overall
    assert [todo.priority for todo in found.todo] == [priority]
    assert found.todo[0].link == f"/log?unit={name}"


def test_a_failed_try_is_told_before_the_circuit_opens() -> None:
    failed = replace(FILE, state=UnitState.DEGRADED, last_error="disk is full")
    assert verdict(replace(WELL, sinks=(failed,))).todo[0].what == "file/export takes no data"


def test_a_degraded_unit_without_a_diagnosis_speaks_for_itself() -> None:
    ill = replace(ADAPTER, state=UnitState.DEGRADED, status="0 of 2 devices answer")
    assert verdict(replace(WELL, units=(ill,))).headline == "Degraded: Adapter modbus-tcp/plant: 0 of 2 devices answer"


def test_a_gateway_that_comes_up_says_so() -> None:
    assert verdict(replace(WELL, units=())).headline == "Starting: the gateway is coming up"
    coming = Unit(name="kafka", state=UnitState.STARTING)
    assert verdict(replace(WELL, units=(coming,))).overall is Overall.STARTING


def test_the_worst_stands_first() -> None:
    silent = replace(BOILER, state="OFFLINE")
    found = verdict(replace(WELL, devices=(silent,), clock=Clock.NOT_SYNCED, sinks=(replace(FILE, breaker="open"),)))
    assert [todo.priority for todo in found.todo] == [Priority.HIGH, Priority.MEDIUM, Priority.LOW]


def test_the_clock_has_two_minutes() -> None:
    young = replace(WELL, clock=Clock.NOT_SYNCED, uptime_seconds=60.0)
    assert not verdict(young).todo
    assert verdict(replace(young, uptime_seconds=600.0)).todo[0].what == "The clock is not synchronised"
    assert not verdict(replace(young, clock=Clock.OF_HOST, uptime_seconds=600.0)).todo


def test_a_disk_that_takes_nothing_is_critical_and_nothing_is_called_safe() -> None:
    hangs = Unit(name=SYNCD, state=UnitState.UNHEALTHY, status="the disk has not answered for 12 s")
    found = verdict(replace(WELL, units=(ADAPTER, hangs)))
    assert found.headline == "Unhealthy: safety from power cuts cannot work"
    assert found.safe.endswith("a power cut loses it.")
    (todo,) = found.todo
    assert (todo.priority, todo.what) == (Priority.CRITICAL, "The disk does not take what is written")
    assert todo.evidence == "The disk has not answered for 12 s."
    assert "replace the disk" in todo.hand


def test_a_slow_disk_is_said_before_it_is_at_its_end() -> None:
    slow = Unit(name=SYNCD, state=UnitState.DEGRADED, status="the disk is slow: 12 of the last 60 syncs")
    found = verdict(replace(WELL, units=(ADAPTER, slow)))
    assert found.overall is Overall.DEGRADED
    assert found.safe == "Everything read is kept. Delivery is up to date."
    assert [(todo.priority, todo.what) for todo in found.todo] == [(Priority.MEDIUM, "The disk is slow")]


def test_a_full_log_is_critical_and_says_what_waits() -> None:
    full = Unit(name=OVERFLOW, state=UnitState.UNHEALTHY, status="log 96 % of 3.4 GiB, disk 82 % full: telemetry waits")
    found = verdict(replace(WELL, units=(ADAPTER, full)))
    assert found.overall is Overall.UNHEALTHY
    assert found.safe == "Alarms and events are kept. New readings wait in memory until the disk has room."
    (todo,) = found.todo
    assert (todo.priority, todo.what) == (Priority.CRITICAL, "The log is full")
    assert todo.evidence == "Log 96 % of 3.4 GiB, disk 82 % full: telemetry waits."


def test_a_log_that_fills_up_with_more_than_what_everybody_has_is_said() -> None:
    fills = Unit(
        name=OVERFLOW, state=UnitState.DEGRADED, status="log 75 % of 3.4 GiB, disk 70 % full: it is filling up"
    )
    (todo,) = verdict(replace(WELL, units=(ADAPTER, fills))).todo
    assert (todo.priority, todo.what) == (Priority.MEDIUM, "The log fills up")
    assert todo.hand.startswith("See which sink does not deliver")


def test_disk_and_ledger() -> None:
    full = replace(WELL, disk=Disk(used_bytes=96, total_bytes=100))
    assert verdict(full).todo[0].what == "The disk is 96 % full"
    sink = SinkLedger(name="file/x", read=10, delivered=7, waiting=0, rejected=0, evicted=0, missing=3)
    uneven = Ledger(taken_us=NOW, sinks=(sink,))
    assert verdict(replace(WELL, ledger=uneven)).todo[0].what == "The ledger does not balance: 3 readings"
    evicted = replace(uneven, sinks=(replace(sink, evicted=3, missing=0),))
    assert verdict(replace(WELL, ledger=evicted)).safe.startswith("3 readings had to give way before delivery.")


def test_units_have_readable_names() -> None:
    assert readable("streamforge-adapter-modbus-tcp@plant") == "Adapter modbus-tcp/plant"
    assert readable("streamforge-transform-validator") == "Validator"
    assert readable("kafka") == "The log (Kafka)"
    assert readable("streamforge-web") == "This page"
    assert readable(SYNCD) == "Safety from power cuts"
