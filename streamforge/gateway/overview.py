"""The gateway at one moment: what systemd, the units themselves and their refused configurations say, rolled up."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from streamforge.clock import ClockQuality, now_us
from streamforge.errors import Fatal, Fault
from streamforge.gateway.generations import Store
from streamforge.gateway.instances import instances
from streamforge.gateway.reconciled import REPORT_FILE, Said, load
from streamforge.gateway.systemctl import Systemctl
from streamforge.health import ask
from streamforge.model import TimeQuality

# Without these nothing is kept, kept safe, given room or judged.
CRITICAL = (
    "kafka", "streamforge-syncd", "streamforge-overflow", "streamforge-topics", "streamforge-transform-validator",
)  # fmt: skip
_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "Result", "Type", "NRestarts", "StatusText", "StatusErrno", "MemoryCurrent",
    "ExecMainStatus",
)  # fmt: skip
_ASK_SECONDS = 1.0
_CONFIG_EXIT = "78"

Shown = Mapping[str, Mapping[str, str]]


class State(StrEnum):
    """How a unit or the gateway stands, better before worse."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    UNHEALTHY = "UNHEALTHY"
    FAILED = "FAILED"


_ORDER = tuple(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitView:
    """One unit. `details` as it says them itself, `active` as systemd does; `memory_bytes` 0 = not known."""

    unit: str
    state: State
    status: str
    restarts: int = 0
    memory_bytes: int = 0
    since_us: int = 0
    faults: tuple[Fault, ...] = ()
    details: Mapping[str, Any]
    active: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole gateway. `readings` were read since the adapters count; the rate is None at a first look.

    `losses`: every cut of the log that was accounted for, oldest first.
    """

    time_us: int
    state: State
    generation: int | None
    units: tuple[UnitView, ...]
    readings: int
    readings_per_second: float | None
    backlog_records: int
    waiting_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int
    clock: TimeQuality
    losses: tuple[Said, ...] = ()


def gather(root: Path, runtime: Path, systemctl: Systemctl, before: Overview | None = None) -> Overview:
    """Ask everything that knows; `before` is an earlier answer, for the rate. Nothing raised: silence is said."""
    store = Store(root / "config")
    number = store.current()
    wanted = [one.unit for one in instances(store.path(number))] if number is not None else []
    try:
        shown = systemctl.show(("streamforge-*", "kafka", *wanted), _PROPERTIES)
    except Fatal:
        shown = {}  # no systemd, or none that talks to us: the sockets still tell
    units = join(wanted, shown, _healths(runtime), _faults(runtime))
    disk = shutil.disk_usage(root if root.exists() else "/")
    time_us = now_us()
    readings = sum(row.get("read", 0) for row in _rows(units, "adapter", "ledger"))
    return Overview(
        time_us=time_us,
        state=roll_up(units),
        generation=number,
        units=units,
        readings=readings,
        readings_per_second=_rate(readings, time_us, before),
        backlog_records=sum(int(view.details.get("lag_records") or 0) for view in units),
        waiting_bytes=sum(int(view.details.get("waiting_bytes") or 0) for view in units),
        disk_used_bytes=disk.used,
        disk_total_bytes=disk.total,
        clock=ClockQuality().now(time_us),
        losses=load(runtime, REPORT_FILE).said,
    )


def join(
    wanted: Iterable[str],
    shown: Shown,
    healths: Mapping[str, Mapping[str, Any]],
    faults: Mapping[str, tuple[Fault, ...]],
) -> tuple[UnitView, ...]:
    """One view a unit that the configuration wants, systemd has loaded, or that answers."""
    loaded = {unit for unit, of in shown.items() if of.get("LoadState", "loaded") == "loaded"}
    if shown:
        loaded |= set(wanted)
    names = sorted(loaded | set(healths) | set(faults) | (set() if shown else set(wanted)))
    return tuple(_view(name, shown.get(name, {}), healths.get(name, {}), faults.get(name, ())) for name in names)


def roll_up(units: Iterable[UnitView]) -> State:
    """FAILED: the log is gone. UNHEALTHY: something critical does not work. DEGRADED: anything else does not."""
    views = tuple(units)
    worst = State.HEALTHY if views else State.UNHEALTHY
    for view in views:
        if view.unit == "kafka" and view.state is State.FAILED:
            return State.FAILED
        is_down = view.state in (State.UNHEALTHY, State.FAILED)
        seen = State.UNHEALTHY if is_down and view.unit in CRITICAL else State.DEGRADED
        if view.state is not State.HEALTHY:
            worst = max(worst, seen, key=_ORDER.index)
    return worst


def _view(name: str, of: Mapping[str, str], health: Mapping[str, Any], faults: tuple[Fault, ...]) -> UnitView:
    state, status = _judge(of, health, faults)
    details = health.get("details")
    return UnitView(
        unit=name,
        state=state,
        status=status,
        restarts=_number(of.get("NRestarts", "")),
        memory_bytes=_number(of.get("MemoryCurrent", "")),
        since_us=int(health.get("since_us") or 0),
        faults=faults,
        details=details if isinstance(details, dict) else {},
        active=of.get("ActiveState", ""),
    )


def _judge(of: Mapping[str, str], health: Mapping[str, Any], faults: tuple[Fault, ...]) -> tuple[State, str]:
    active = of.get("ActiveState", "")
    said = str(health.get("status") or of.get("StatusText", ""))
    if active == "failed":
        is_config = of.get("ExecMainStatus") == _CONFIG_EXIT
        why = "bad configuration" if is_config else f"given up by systemd ({of.get('Result', '')})"
        return State.FAILED, f"{why}: {faults[0]}" if faults else why
    if active in ("activating", "reloading", "deactivating"):
        return (State.HEALTHY, said or "at work") if _is_at_work(of) else (State.DEGRADED, said or active)
    if of.get("Type") == "oneshot":
        return State.HEALTHY, said or "done"
    if health:
        known = str(health.get("state"))
        state = State(known) if known in _ORDER else State.UNHEALTHY
        is_stale = bool(faults) and state is State.HEALTHY
        return (State.DEGRADED, f"refused a new configuration: {faults[0]}") if is_stale else (state, said)
    if active == "active":
        return State.HEALTHY, said or "running"
    # What systemd has as its status text is of the unit's last life.
    return State.UNHEALTHY, f"bad configuration: {faults[0]}" if faults else "not running"


def _is_at_work(of: Mapping[str, str]) -> bool:
    """Whether it is a oneshot that does its one job, and neither waits for another start nor said that it cannot."""
    is_waiting = of.get("SubState", "").startswith("auto-restart")
    has_failed = of.get("StatusErrno", "0") not in ("", "0")
    is_working = of.get("ActiveState") == "activating" and not is_waiting and not has_failed
    return of.get("Type") == "oneshot" and is_working


def _healths(runtime: Path) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(runtime.glob("*.sock")):
        try:
            answer = json.loads(ask(path, "/health", _ASK_SECONDS))
        except (OSError, ValueError):
            answer = {"state": "UNHEALTHY", "status": "does not answer"}
        found[path.stem] = answer if isinstance(answer, dict) else {}
    return found


def _faults(runtime: Path) -> dict[str, tuple[Fault, ...]]:
    found = {}
    for path in runtime.glob("*.faults.json"):
        try:
            found[path.name.removesuffix(".faults.json")] = tuple(Fault(**one) for one in json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # being written just now
    return found


def _rows(units: Iterable[UnitView], kind: str, key: str) -> Iterable[Mapping[str, Any]]:
    for view in units:
        if view.details.get("kind") == kind:
            yield from view.details.get(key, ())


def _rate(readings: int, time_us: int, before: Overview | None) -> float | None:
    if before is None or time_us <= before.time_us or readings < before.readings:
        return None
    return (readings - before.readings) * 1e6 / (time_us - before.time_us)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0  # systemd says "no value" as 2^64-1
