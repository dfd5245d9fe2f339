"""What a unit says becomes what the page shows."""

from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.gateway import overview
from streamforge.gateway.overview import State, UnitView
from streamforge.web import gather
from streamforge.web.gather import Gatherer, devices_of, unit_of
from streamforge.web.snapshot import UnitState


def view(*devices: dict[str, object]) -> UnitView:
    details = {"kind": "adapter", "protocol": "modbus-tcp", "devices": list(devices)}
    return UnitView(unit="streamforge-adapter-modbus-tcp@plant", state=State.HEALTHY, status="", details=details)


def part(**changed: object) -> dict[str, object]:
    one = {"key": "1", "asset_id": "pump", "address": "10.0.0.5:502 unit 1", "state": "ONLINE", "points": 20}
    return one | {"last_success_us": 7, "interval_seconds": 1.0} | changed


def test_what_is_read_at_several_intervals_is_one_device() -> None:
    slow = part(key="2", interval_seconds=10.0, points=3, last_success_us=5)
    other = part(key="3", asset_id="boiler")
    pump, boiler = devices_of(view(part(), slow, other))
    assert (pump.points, pump.interval_seconds, pump.last_success_us, pump.state) == (23, 1.0, 7, "ONLINE")
    assert boiler.asset_id == "boiler"


def test_a_device_of_which_one_part_does_not_answer_answers_in_part() -> None:
    silent = part(key="2", state="OFFLINE", last_error="illegal data address")
    (pump,) = devices_of(view(part(), silent))
    assert (pump.state, pump.last_error) == ("PARTLY", "illegal data address")
    (pump,) = devices_of(view(silent, part(state="CONNECTING")))
    assert pump.state == "OFFLINE"


def test_a_unit_that_starts_is_told_from_one_that_does_its_one_job() -> None:
    coming = UnitView(unit="kafka", state=State.DEGRADED, details={}, status="activating", active="activating")
    at_work = replace(coming, unit="streamforge-events", state=State.HEALTHY)
    assert (unit_of(coming).state, unit_of(at_work).state) == (UnitState.STARTING, UnitState.HEALTHY)


def test_the_client_librarys_words_do_not_reach_the_page() -> None:
    status = "waiting for the broker: the broker at 127.0.0.1:9092 is away: KafkaTimeoutError"
    away = UnitView(unit="streamforge-transform-validator", state=State.DEGRADED, details={}, status=status)
    assert unit_of(away).status == "waits for the log (Kafka)"


def test_what_was_seen_before_the_clock_was_set_back_is_not_kept_until_it_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "KEEP_SECONDS", 0.0)
    gatherer, clock = Gatherer(run=tmp_path, root=tmp_path), [1_790_000_000_000_000]
    for module in (gather, overview):
        monkeypatch.setattr(module, "now_us", lambda: clock[0])
    for step_us in (0, 1_000_000, -31_536_000_000_000, 1_000_000, 1_000_000):
        clock[0] += step_us
        gatherer.snapshot()
    assert len(gatherer._seen) == 3
