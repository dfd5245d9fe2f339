"""Brings the running units to a configuration: stops, restarts and starts only what it must."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamforge.durable import PUBLIC_MODE, write_durably
from streamforge.gateway.generations import Check, Store, is_complete
from streamforge.gateway.instances import digests, instances
from streamforge.gateway.limits import set_limits
from streamforge.gateway.systemctl import Systemctl

PATIENCE_SECONDS, LOOK_SECONDS = 20.0, 0.2
GATEWAY_UNITS = ("streamforge-topics",)  # read gateway.toml; partitions count when topics are made, the rest always


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a change does to the units, each list in the order in which it is done."""

    stop: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was done. `notes` are for people: what was cut, what did not start and why."""

    number: int
    plan: Plan
    notes: tuple[str, ...] = ()


def plan(running: Mapping[str, str], wanted: Mapping[str, str]) -> Plan:
    """From unit -> hash as it runs to unit -> hash as it shall run."""
    return Plan(
        stop=tuple(unit for unit in running if unit not in wanted),
        restart=tuple(unit for unit in wanted if unit in running and running[unit] != wanted[unit]),
        start=tuple(unit for unit in wanted if unit not in running),
        keep=tuple(unit for unit in wanted if running.get(unit) == wanted[unit]),
    )


def apply(source: Path, store: Store, check: Check, systemctl: Systemctl) -> Applied:
    """Make `source` the configuration in force. Raises ConfigError, before anything has changed."""
    with store.locked():
        number = store.add(source, check)
        running = _running(store)
        settings_before = _gateway_settings(store)
        store.switch(number)
        is_broker_concerned = _gateway_settings(store) != settings_before
        applied = _bring(store, number, running, systemctl, is_broker_concerned=is_broker_concerned)
        store.prune()
    return applied


def boot(factory: Path, store: Store, check: Check, systemctl: Systemctl) -> Applied:
    """Start the units of the generation in force, without waiting for them.

    The first generation is made from `factory`; where the one in force is damaged, the newest complete one is taken.
    """
    with store.locked():
        number = store.current()
        if number is None or not is_complete(store.path(number)):
            number = store.newest_complete() or store.add(factory, check)
            store.switch(number)
        wanted = digests(store.path(number))
        notes = set_limits(systemctl, instances(store.path(number)))
        systemctl.run("start", "--no-block", "--", *_services(tuple(wanted)))
        _remember(store, wanted)
    return Applied(number=number, plan=Plan(start=tuple(wanted)), notes=tuple(notes))


def laggards(
    units: tuple[str, ...], systemctl: Systemctl, patience_seconds: float = PATIENCE_SECONDS
) -> tuple[str, ...]:
    """Wait until these units run; those that do not within the time, each with what it or systemd says."""
    deadline = time.monotonic() + patience_seconds
    while units:
        shown = systemctl.show(units, ("ActiveState", "StatusText", "Result"))
        states = {unit: shown.get(unit, {}).get("ActiveState", "") for unit in units}
        is_settled = all(state in ("active", "failed") for state in states.values())
        if is_settled or time.monotonic() >= deadline:
            late = (unit for unit, state in states.items() if state != "active")
            return tuple(f"{unit} is {states[unit] or 'unknown'}: {_words(shown.get(unit, {}))}" for unit in late)
        time.sleep(LOOK_SECONDS)
    return ()


def _words(of: Mapping[str, str]) -> str:
    return of.get("StatusText") or of.get("Result") or "it says nothing"


def _bring(
    store: Store, number: int, running: dict[str, str], systemctl: Systemctl, *, is_broker_concerned: bool
) -> Applied:
    wanted = digests(store.path(number))
    given_up = _given_up(systemctl, tuple({**running, **wanted}))
    alive = {unit: digest for unit, digest in running.items() if unit not in given_up or unit not in wanted}
    todo = plan(alive, wanted)
    notes: list[str] = []
    if todo.stop:
        systemctl.run("stop", "--", *_services(todo.stop))
    if given_up:
        systemctl.run("reset-failed", "--", *_services(given_up))
    notes += set_limits(systemctl, instances(store.path(number)))
    if is_broker_concerned:
        systemctl.run("restart", "--no-block", "--", *_services(GATEWAY_UNITS))
    # Noted before it is done: killed between, the next apply does it again.
    _remember(store, {unit: digest for unit, digest in running.items() if unit in todo.keep})
    fresh = (*todo.restart, *todo.start)
    if fresh:
        # Restart, also of what should only start: it may run with something that nobody noted.
        systemctl.run("restart", "--no-block", "--", *_services(fresh))
    _remember(store, wanted)
    return Applied(number=number, plan=todo, notes=tuple(notes))


def _given_up(systemctl: Systemctl, units: tuple[str, ...]) -> tuple[str, ...]:
    """Those that systemd has given up. Before they are reset it refuses to start them, and keeps them in its lists."""
    states = systemctl.show(units, ("ActiveState",)) if units else {}
    return tuple(unit for unit in units if states.get(unit, {}).get("ActiveState") == "failed")


def _services(units: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{unit}.service" for unit in units)


def _running(store: Store) -> dict[str, str]:
    """Unit -> hash of what it was last started with."""
    try:
        known = json.loads((store.directory / "applied.json").read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(store: Store, units: Mapping[str, str]) -> None:
    write_durably(store.directory / "applied.json", json.dumps(dict(units), indent=1).encode(), mode=PUBLIC_MODE)


def _gateway_settings(store: Store) -> bytes:
    path = store.link / "gateway.toml"
    return path.read_bytes() if path.exists() else b""
