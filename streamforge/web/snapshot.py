"""What the page knows of the gateway at one moment, as values."""

from dataclasses import dataclass
from enum import StrEnum

from streamforge.errors import Fault
from streamforge.gateway.reconciled import Said


class UnitState(StrEnum):
    """How a unit stands; FAILED = systemd gave up, SILENT = it runs and does not answer on its socket."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    STARTING = "starting"
    SILENT = "silent"
    STOPPED = "stopped"
    FAILED = "failed"


class Clock(StrEnum):
    """What is known of the gateway's clock, in the page's words."""

    SYNCED = "clock synced"
    OF_HOST = "clock of the host"
    NOT_SYNCED = "clock not synced"


SINK_PREFIX = "streamforge-sink-"
DOWN = {
    UnitState.FAILED: "has failed",
    UnitState.STOPPED: "does not run",
    UnitState.UNHEALTHY: "cannot work",
    UnitState.SILENT: "does not answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit of the gateway; `name` is without ".service"."""

    name: str
    state: UnitState
    status: str = ""
    since_us: int = 0
    restarts: int = 0
    faults: tuple[Fault, ...] = ()

    @property
    def instance(self) -> str:
        """A way out as people call it: target/instance."""
        return self.name.removeprefix(SINK_PREFIX).replace("@", "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of an adapter. State: ONLINE, CONNECTING, OFFLINE, or PARTLY: some of its points do not answer."""

    unit: str
    key: str
    asset_id: str
    protocol: str
    adapter_id: str = ""
    address: str = ""
    state: str = "CONNECTING"
    last_success_us: int = 0
    last_error: str = ""
    interval_seconds: float = 0.0
    points: int = 0
    requests: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """One way out of the gateway."""

    unit: str
    target: str
    instance: str
    state: UnitState
    topics: tuple[str, ...] = ()
    lag_records: int = 0
    breaker: str = "closed"
    last_error: str = ""
    last_success_us: int = 0
    since_us: int = 0

    @property
    def is_waiting(self) -> bool:
        """Whether its target takes no data: the circuit is open, or the last try failed."""
        return self.breaker != "closed" or bool(self.last_error)

    @property
    def name(self) -> str:
        """As people call it: target/instance."""
        return f"{self.target}/{self.instance}" if self.instance else self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a transform."""

    unit: str
    source: str
    output: str
    lag_records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The partition that holds the log."""

    used_bytes: int
    total_bytes: int

    @property
    def percent(self) -> float:
        """Used share, 0 to 100."""
        return 100 * self.used_bytes / self.total_bytes if self.total_bytes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkLedger:
    """Readings for one way out since the count began: read = delivered + waiting + rejected + evicted.

    `missing` is what it lacks in this balance, once it was so twice in a row. `growth_per_second` of what waits, below
    zero where it drains; None at a first look. `note` says why figures may not be of now. Without
    `is_judged` not everything could be counted.
    """

    name: str
    read: int
    delivered: int
    waiting: int
    rejected: int
    evicted: int
    missing: int = 0
    growth_per_second: float | None = None
    note: str = ""
    is_judged: bool = True

    @property
    def adds_up(self) -> bool:
        """Whether every reading is accounted for."""
        return self.is_judged and self.read == self.delivered + self.waiting + self.rejected + self.evicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger by way out, as it was counted at `taken_us`."""

    taken_us: int
    sinks: tuple[SinkLedger, ...] = ()

    @property
    def missing(self) -> int:
        """What the way out lacks in whose balance most is missing."""
        return max((abs(sink.missing) for sink in self.sinks), default=0)

    @property
    def evicted(self) -> int:
        """What had to give way before delivery, for the way out that lost most."""
        return max((sink.evicted for sink in self.sinks), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The gateway at one moment. `held_bytes`: read, and not yet in the log.

    `cuts` of the log, oldest first, and the logs that are kept `aside`, in words.
    """

    taken_us: int
    hostname: str
    generation: str
    clock: Clock
    disk: Disk
    uptime_seconds: float = 0.0
    readings_per_second: float | None = None
    held_bytes: int = 0
    units: tuple[Unit, ...] = ()
    devices: tuple[Device, ...] = ()
    sinks: tuple[Sink, ...] = ()
    stages: tuple[Stage, ...] = ()
    ledger: Ledger | None = None
    cuts: tuple[Said, ...] = ()
    aside: tuple[str, ...] = ()

    @property
    def sinks_down(self) -> tuple[Unit, ...]:
        """Ways out that are configured and say nothing, because they do not run."""
        heard = {sink.unit for sink in self.sinks}
        sinks = (unit for unit in self.units if unit.name.startswith(SINK_PREFIX) and unit.name not in heard)
        return tuple(unit for unit in sinks if unit.state in DOWN)
