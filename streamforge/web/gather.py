"""Asks everything that knows something of the gateway, and makes one `Snapshot` of it."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamforge.clock import SYNCHRONIZED
from streamforge.errors import Fault
from streamforge.health import ask
from streamforge.web import systemd_units
from streamforge.web.ledger_keeper import LedgerKeeper
from streamforge.web.snapshot import Clock, Device, Disk, Sink, Snapshot, Stage, Unit, UnitState
from streamforge.web.systemd_units import SystemdUnit

# systemd(1): its manager says here that it runs in a container; the clock is then the host's business.
_CONTAINER = Path("/run/systemd/container")
_FAULTS = ".faults.json"
KEEP_SECONDS = 1.5
# A unit that hangs must not hang the page.
ASK_SECONDS = 0.8

Health = Mapping[str, Any]


class Gatherer:
    """Makes a snapshot when somebody looks, at most one per KEEP_SECONDS however many look. Thread-safe."""

    def __init__(self, *, run: Path, root: Path, config: Path, ledger: LedgerKeeper | None = None) -> None:
        self._run, self._root, self._config = run, root, config
        self._ledger = ledger
        self._lock = threading.Lock()
        self._last: Snapshot | None = None
        self._until = 0.0

    def snapshot(self) -> Snapshot:
        """The gateway now, or as it was at most KEEP_SECONDS ago."""
        with self._lock:
            if self._last is None or time.monotonic() >= self._until:
                self._last = self._take()
                self._until = time.monotonic() + KEEP_SECONDS
            return self._last

    def _take(self) -> Snapshot:
        healths = read_healths(self._run)
        units = join_units(systemd_units.read(), healths, read_faults(self._run))
        answers = [health for health in healths.values() if health is not None]
        usage = shutil.disk_usage(self._root if self._root.exists() else "/")
        sinks = tuple(sink_of(health) for health in answers if _details(health).get("kind") == "sink")
        return Snapshot(
            taken_us=time.time_ns() // 1000,
            hostname=socket.gethostname(),
            generation=generation_of(self._config),
            clock=_clock(),
            uptime_seconds=time.monotonic(),
            disk=Disk(used_bytes=usage.total - usage.free, total_bytes=usage.total),
            units=units,
            devices=tuple(device for health in answers for device in devices_of(health)),
            sinks=sinks,
            ledger=self._ledger.look(sum(sink.lag_records for sink in sinks)) if self._ledger else None,
            stages=tuple(stage for health in answers for stage in stages_of(health)),
        )


def _clock() -> Clock:
    if SYNCHRONIZED.exists():
        return Clock.SYNCED
    return Clock.OF_HOST if _CONTAINER.exists() else Clock.NOT_SYNCED


def read_healths(run: Path) -> dict[str, Health | None]:
    """Unit -> what it answers on its socket; None where it does not answer."""
    found: dict[str, Health | None] = {}
    for path in sorted(run.glob("*.sock")):
        found[path.stem] = _health(path)
    return found


def _health(path: Path) -> Health | None:
    try:
        health = json.loads(ask(path, "/health", ASK_SECONDS))
    except (OSError, ValueError):
        return None
    return health if isinstance(health, dict) else None


def read_faults(run: Path) -> dict[str, tuple[Fault, ...]]:
    """Unit -> the faults for which it refused its configuration."""
    found = {}
    for path in run.glob(f"*{_FAULTS}"):
        try:
            faults = tuple(Fault(**fault) for fault in json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # being written, or not ours
        found[path.name.removesuffix(_FAULTS)] = faults
    return found


def join_units(
    systemd: Sequence[SystemdUnit],
    healths: Mapping[str, Health | None],
    faults: Mapping[str, tuple[Fault, ...]],
) -> tuple[Unit, ...]:
    """One `Unit` for each that systemd, a socket or a faults file knows; oneshots only where they failed."""
    by_name = {unit.name: unit for unit in systemd if not unit.is_oneshot or unit.is_failed}
    names = sorted({*by_name, *healths, *faults})
    return tuple(_unit(name, by_name.get(name), healths, faults.get(name, ())) for name in names)


def _unit(
    name: str, known: SystemdUnit | None, healths: Mapping[str, Health | None], faults: tuple[Fault, ...]
) -> Unit:
    health = healths.get(name)
    state = _state(known, health, is_socket_there=name in healths, has_faults=bool(faults))
    status = str(health["status"]) if health and health.get("status") else known.status if known else ""
    return Unit(
        name=name,
        state=state,
        status=status,
        since_us=int(health.get("since_us") or 0) if health else 0,
        restarts=known.restarts if known else 0,
        # A unit that runs refused only a reload: its faults still have to be mended.
        faults=faults,
    )


def _state(known: SystemdUnit | None, health: Health | None, *, is_socket_there: bool, has_faults: bool) -> UnitState:
    if known is not None and known.is_failed:
        return UnitState.FAILED
    if known is not None and known.active in ("activating", "reloading"):
        return UnitState.STARTING
    if health is not None:
        return _OF_HEALTH.get(str(health.get("state")), UnitState.SILENT)
    if known is not None and known.active == "inactive":
        return UnitState.STOPPED
    if is_socket_there:
        return UnitState.SILENT
    return UnitState.FAILED if has_faults else UnitState.HEALTHY


_OF_HEALTH = {
    "HEALTHY": UnitState.HEALTHY,
    "DEGRADED": UnitState.DEGRADED,
    "UNHEALTHY": UnitState.UNHEALTHY,
}


def devices_of(health: Health) -> list[Device]:
    """The devices that an adapter reports."""
    details = _details(health)
    if details.get("kind") != "adapter":
        return []
    common = {
        "unit": str(health.get("unit", "")),
        "protocol": str(details.get("protocol", "")),
        "adapter_id": str(details.get("adapter_id", "")),
    }
    return [_device(one, common) for one in details.get("devices", ())]


def _device(one: Health, common: Mapping[str, str]) -> Device:
    return Device(
        **common,
        key=str(one.get("key", "")),
        asset_id=str(one.get("asset_id", "")),
        address=str(one.get("address", "")),
        state=str(one.get("state", "CONNECTING")),
        last_success_us=int(one.get("last_success_us") or 0),
        last_error=str(one.get("last_error") or ""),
        interval_seconds=float(one.get("interval_seconds") or 0),
        points=int(one.get("points") or 0),
        requests=int(one.get("requests") or 0),
        errors=int(one.get("errors") or 0),
    )


def sink_of(health: Health) -> Sink:
    """The way out that a sink reports."""
    details = _details(health)
    unit = str(health.get("unit", ""))
    return Sink(
        unit=unit,
        target=str(details.get("target", "")),
        instance=unit.partition("@")[2],
        state=_OF_HEALTH.get(str(health.get("state")), UnitState.SILENT),
        topics=tuple(str(topic) for topic in details.get("topics", ())),
        lag_records=int(details.get("lag_records") or 0),
        breaker=str(details.get("breaker", "closed")),
        last_error=str(details.get("last_error") or ""),
        last_success_us=int(details.get("last_success_us") or 0),
        since_us=int(health.get("since_us") or 0),
    )


def stages_of(health: Health) -> list[Stage]:
    """The steps that a transform reports."""
    details = _details(health)
    if details.get("kind") != "transform":
        return []
    return [
        Stage(
            unit=str(health.get("unit", "")),
            source=str(stage.get("input", "")),
            output=str(stage.get("output", "")),
            lag_records=int(stage.get("lag_records") or 0),
        )
        for stage in details.get("stages", ())
    ]


def generation_of(config: Path) -> str:
    """The number of the configuration in force: what the link `current` leads to; "" where there is none."""
    try:
        return config.readlink().name
    except OSError:
        return ""


def _details(health: Health) -> Mapping[str, Any]:
    details = health.get("details")
    return details if isinstance(details, dict) else {}
