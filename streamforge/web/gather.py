"""Makes the page's snapshot of the overview that `streamforge status` shows too."""

import socket
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamforge.clock import now_us
from streamforge.gateway import overview
from streamforge.gateway.overview import Overview, UnitView
from streamforge.gateway.systemctl import Systemctl
from streamforge.model import TimeQuality
from streamforge.web import words
from streamforge.web.ledger_keeper import LedgerKeeper
from streamforge.web.snapshot import Clock, Device, Disk, Sink, Snapshot, Stage, Unit, UnitState

# systemd(1): its manager says here that it runs in a container; the clock is then the host's business.
_CONTAINER = Path("/run/systemd/container")
KEEP_SECONDS = 1.5
RATE_SECONDS = 12
# A unit that hangs must not hang the page.
ASK_SECONDS = 0.8

Health = Mapping[str, Any]


class Gatherer:
    """Makes a snapshot when somebody looks, at most one per KEEP_SECONDS however many look. Thread-safe."""

    def __init__(self, *, run: Path, root: Path, ledger: LedgerKeeper | None = None) -> None:
        self._run, self._root = run, root
        self._systemctl = Systemctl()
        self._seen: deque[Overview] = deque()
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
        seen = overview.gather(self._root, self._run, self._systemctl, self._earlier())
        self._seen.append(seen)
        sinks = tuple(sink_of(view) for view in seen.units if view.details.get("kind") == "sink")
        return Snapshot(
            taken_us=seen.time_us,
            hostname=socket.gethostname(),
            generation="" if seen.generation is None else str(seen.generation),
            clock=_clock(seen.clock),
            disk=Disk(used_bytes=seen.disk_used_bytes, total_bytes=seen.disk_total_bytes),
            uptime_seconds=time.monotonic(),
            readings_per_second=seen.readings_per_second,
            held_bytes=seen.waiting_bytes,
            units=tuple(unit_of(view) for view in seen.units),
            devices=tuple(device for view in seen.units for device in devices_of(view)),
            sinks=sinks,
            stages=tuple(stage for view in seen.units for stage in stages_of(view)),
            ledger=self._ledger.look() if self._ledger else None,
            cuts=seen.losses,
            aside=tuple(str(log) for view in seen.units for log in view.details.get("aside", ())),
        )

    def _earlier(self) -> Overview | None:
        """An overview of some seconds ago, so that the rate is neither noise nor an average over the night.

        None of a time to come: the clock was set back, and it would stay until the clock is there again.
        """
        time_us = now_us()
        while self._seen and not 0 <= time_us - self._seen[0].time_us <= RATE_SECONDS * 1_000_000:
            self._seen.popleft()
        return self._seen[0] if self._seen else None


def _clock(quality: TimeQuality) -> Clock:
    if quality is TimeQuality.SYNCED:
        return Clock.SYNCED
    return Clock.OF_HOST if _CONTAINER.exists() else Clock.NOT_SYNCED


def unit_of(view: UnitView) -> Unit:
    """A unit in the page's words: silent, stopped and starting are told apart from ill."""
    state = UnitState(view.state.value.lower())
    if state is not UnitState.HEALTHY:
        state = _BY_SYSTEMD.get(view.active) or _BY_STATUS.get(view.status) or state
    return Unit(
        name=view.unit,
        state=state,
        status=words.plain(view.status),
        since_us=view.since_us,
        restarts=view.restarts,
        faults=view.faults,
    )


_BY_STATUS = {
    "does not answer": UnitState.SILENT,
    "not running": UnitState.STOPPED,
}
_BY_SYSTEMD = {
    "activating": UnitState.STARTING,
    "reloading": UnitState.STARTING,
    "deactivating": UnitState.STOPPED,
}


def devices_of(view: UnitView) -> list[Device]:
    """The devices that an adapter reports; what it reads at several intervals is still one device."""
    details = view.details
    if details.get("kind") != "adapter":
        return []
    common = {
        "unit": view.unit,
        "protocol": str(details.get("protocol", "")),
        "adapter_id": str(details.get("adapter_id", "")),
    }
    found: dict[tuple[str, str], list[Device]] = {}
    for device in (_device(one, common) for one in details.get("devices", ())):
        found.setdefault((device.asset_id, device.address), []).append(device)
    return [_merged(parts) for parts in found.values()]


def _merged(parts: Sequence[Device]) -> Device:
    states = {part.state for part in parts}
    worst = next(state for state in ("OFFLINE", "CONNECTING", *states) if state in states)
    return replace(
        parts[0],
        state="PARTLY" if {"OFFLINE", "ONLINE"} <= states else worst,
        last_success_us=max(part.last_success_us for part in parts),
        last_error=next((part.last_error for part in parts if part.last_error), ""),
        interval_seconds=min(part.interval_seconds for part in parts),
        points=sum(part.points for part in parts),
        requests=sum(part.requests for part in parts),
        errors=sum(part.errors for part in parts),
    )


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


def sink_of(view: UnitView) -> Sink:
    """The way out that a sink reports."""
    details = view.details
    return Sink(
        unit=view.unit,
        target=str(details.get("target", "")),
        instance=view.unit.partition("@")[2],
        state=UnitState(view.state.value.lower()),
        topics=tuple(str(topic) for topic in details.get("topics", ())),
        lag_records=int(details.get("lag_records") or 0),
        breaker=str(details.get("breaker", "closed")),
        last_error=str(details.get("last_error") or ""),
        last_success_us=int(details.get("last_success_us") or 0),
        since_us=view.since_us,
    )


def stages_of(view: UnitView) -> list[Stage]:
    """The steps that a transform reports."""
    details = view.details
    if details.get("kind") != "transform":
        return []
    return [
        Stage(
            unit=view.unit,
            source=str(stage.get("input", "")),
            output=str(stage.get("output", "")),
            lag_records=int(stage.get("lag_records") or 0),
        )
        for stage in details.get("stages", ())
    ]
