"""What the gateway says of itself: systemd, sockets and refused configurations, rolled up to one word."""

import threading
from pathlib import Path
from typing import Any

import pytest

from streamforge.errors import Fault
from streamforge.gateway.overview import State, UnitView, gather, join, roll_up
from streamforge.health import Asked, Health, HealthServer
from streamforge.health import State as Own
from tests.gateway.configurations import Recorder, write

ADAPTER = "streamforge-adapter-modbus-tcp@plant"
RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "StatusText": "reads",
    "NRestarts": "2",
    "MemoryCurrent": "1024",
}
FAULT = Fault(file="a.toml", line=3, key="port", message="is wrong")


def one(shown: dict[str, str], health: dict[str, Any] | None = None, *faults: Fault) -> UnitView:
    healths = {ADAPTER: health} if health else {}
    (view,) = join([], {ADAPTER: shown} if shown else {}, healths, {ADAPTER: faults} if faults else {})
    return view


def test_a_unit_that_answers_is_what_it_says() -> None:
    view = one(RUNNING, {"state": "DEGRADED", "status": "PLC away", "since_us": 5, "details": {"kind": "adapter"}})
    assert (view.state, view.status, view.restarts, view.memory_bytes) == (State.DEGRADED, "PLC away", 2, 1024)


def test_a_unit_without_a_socket_is_what_systemd_says() -> None:
    assert (one(RUNNING).state, one(RUNNING).status) == (State.HEALTHY, "reads")
    assert one({"ActiveState": "inactive"}).state is State.UNHEALTHY
    assert one({"ActiveState": "inactive", "Type": "oneshot"}).state is State.HEALTHY
    assert one({"ActiveState": "activating"}).state is State.DEGRADED


ONESHOT = {"Type": "oneshot", "ActiveState": "activating", "SubState": "start"}


def test_a_oneshot_at_its_work_is_no_fault() -> None:
    view = one(ONESHOT | {"StatusErrno": "0"})
    assert (view.state, view.status) == (State.HEALTHY, "at work")


def test_a_oneshot_that_cannot_do_its_work_is_one_while_it_still_runs() -> None:
    view = one(ONESHOT | {"StatusErrno": "5", "StatusText": "cannot deliver: refused"})
    assert (view.state, view.status) == (State.DEGRADED, "cannot deliver: refused")


def test_a_oneshot_that_failed_and_waits_for_its_next_start_is_one() -> None:
    view = one(ONESHOT | {"SubState": "auto-restart", "StatusText": "the broker is away"})
    assert (view.state, view.status) == (State.DEGRADED, "the broker is away")


def test_a_unit_that_systemd_gave_up_has_failed() -> None:
    view = one({"ActiveState": "failed", "Result": "start-limit-hit"})
    assert (view.state, view.status) == (State.FAILED, "given up by systemd (start-limit-hit)")


def test_a_bad_configuration_says_file_line_and_key() -> None:
    view = one({"ActiveState": "failed", "ExecMainStatus": "78"}, None, FAULT)
    assert (view.state, view.status) == (State.FAILED, "bad configuration: a.toml:3: port: is wrong")


def test_a_running_unit_that_refused_a_new_configuration_says_so() -> None:
    view = one(RUNNING, {"state": "HEALTHY", "status": "reads"}, FAULT)
    assert view.state is State.DEGRADED
    assert "refused a new configuration: a.toml:3: port" in view.status


def test_a_wanted_unit_that_systemd_does_not_know_is_missed() -> None:
    (view,) = join([ADAPTER], {}, {}, {})
    assert (view.state, view.status) == (State.UNHEALTHY, "not running")


@pytest.mark.parametrize(
    ("units", "state"),
    [
        ({"kafka": State.HEALTHY, ADAPTER: State.HEALTHY}, State.HEALTHY),
        ({"kafka": State.HEALTHY, ADAPTER: State.DEGRADED}, State.DEGRADED),
        ({"kafka": State.HEALTHY, ADAPTER: State.FAILED}, State.DEGRADED),
        ({"kafka": State.DEGRADED, ADAPTER: State.HEALTHY}, State.DEGRADED),
        ({"streamforge-transform-validator": State.FAILED}, State.UNHEALTHY),
        ({"kafka": State.HEALTHY, "streamforge-syncd": State.UNHEALTHY}, State.UNHEALTHY),
        ({"kafka": State.HEALTHY, "streamforge-syncd": State.DEGRADED}, State.DEGRADED),
        ({"kafka": State.FAILED, ADAPTER: State.HEALTHY}, State.FAILED),
        ({}, State.UNHEALTHY),
    ],
)
def test_the_worst_that_matters_wins(units: dict[str, State], state: State) -> None:
    assert roll_up(UnitView(unit=unit, state=of, status="", details={}) for unit, of in units.items()) is state


def test_it_asks_the_sockets_and_counts_a_rate(tmp_path: Path) -> None:
    write(tmp_path / "config/generations/7", adapters__modbus_tcp__plant="")
    (tmp_path / "config/current").symlink_to("generations/7")
    systemctl = Recorder(properties={ADAPTER: RUNNING})
    read = iter((100, 300))
    lock = threading.Lock()

    def health() -> Health:
        with lock:
            rows = [{"epoch": 1, "read": next(read), "dropped": 0, "incarnation": 1}]
        details = {"kind": "adapter", "ledger": rows, "waiting_bytes": 64}
        return Health(state=Own.HEALTHY, status="reads", details=details)

    asked = Asked(unit=ADAPTER, health=health, metrics=lambda: b"", is_ready=lambda: True, since_us=lambda: 1)
    server = HealthServer(asked, tmp_path)
    server.start()
    try:
        first = gather(tmp_path, tmp_path, systemctl)
        second = gather(tmp_path, tmp_path, systemctl, first)
    finally:
        server.stop()
    assert (first.generation, first.readings, first.readings_per_second, first.waiting_bytes) == (7, 100, None, 64)
    seconds = (second.time_us - first.time_us) / 1e6
    assert second.readings_per_second == pytest.approx(200 / seconds)
    assert ADAPTER in {view.unit for view in second.units}
    assert second.state is State.UNHEALTHY  # the transforms are wanted, and nobody knows them
