"""`streamforge overflow`: keeps the log within its budget, and says so before it acts.

It looks at the files every two seconds and loads no Kafka client; what must be told and deleted is done by a helper
process that ends again. It decides by what it sees and what the readers say, never by a wall clock.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamforge import pressure, service
from streamforge.errors import ConfigError
from streamforge.gateway import places
from streamforge.gateway.disk_budget import disk_budget_bytes
from streamforge.gateway.overflow import alarm_note
from streamforge.gateway.overflow.ages import Ages
from streamforge.gateway.overflow.helper import COMMAND, Helper
from streamforge.gateway.overflow.log_use import LogLook, LogUse, PartitionLog
from streamforge.gateway.overflow.order import PENDING, Done, Order
from streamforge.gateway.overflow.plan import Cut, plan
from streamforge.gateway.overflow.readers import Readers
from streamforge.gateway.overflow.tiers import Tier, Use, tier_of
from streamforge.gateway.settings import load_settings
from streamforge.gateway.topics import TOPICS
from streamforge.health import Health, State
from streamforge.incarnations import FILE as INCARNATIONS_FILE
from streamforge.incarnations import Incarnations
from streamforge.logs import Log
from streamforge.metrics import Metrics
from streamforge.model import Topic
from streamforge.pressure import Pressure
from streamforge.progress import Partition

UNIT = "streamforge-overflow"
LOOK_SECONDS = 2.0
# Readers say where they stand; what they say is needed at once only where something must go.
ASK_SECONDS = 30.0
# After an eviction; after one that failed it doubles, because the helper costs a second of CPU.
PAUSE_SECONDS, MOST_PAUSE_SECONDS = 5.0, 60.0
_GIB = 1024**3
_ALARMS = (Topic.ALARMS_RAW, Topic.ALARMS_CLEAN)
_log = Log("overflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where it looks and writes; `budget_bytes` answers what the log may take."""

    root: Path
    runtime: Path
    configuration: Path
    state: Path
    budget_bytes: Callable[[], int]


class Overflow:
    """The unit as a component of `service.run`. `age_seconds`: how old raw readings must be to be downsampled away."""

    def __init__(self, where: Places, *, command: Sequence[str] = COMMAND, age_seconds: float = 3600.0) -> None:
        self.metrics = Metrics()
        self._where = where
        self._age_seconds = age_seconds
        self._log_use = LogUse(where.root / "kafka" / "data")
        self._readers = Readers(where.configuration, where.runtime, where.state)
        self._ages = Ages()
        self._helper = Helper(command)
        self._tier = Tier.CALM
        self._look = LogLook()
        self._use = Use(log_bytes=0, budget_bytes=1, disk_used_bytes=0, disk_total_bytes=1)
        self._starts: dict[Partition, int] = {}
        self._evicted: dict[str, int] = {}
        self._lost = self._failures = 0
        self._blind = self._failure = ""
        self._look_at = self._ask_at = self._act_at = float("-inf")
        self._records = self.metrics.counter("evicted_records_total", "Records that gave way to others", "topic")
        self._bytes = self.metrics.counter("evicted_bytes_total", "Bytes that gave way to others", "topic")
        self._undelivered = self.metrics.counter(
            "evicted_undelivered_records_total", "Evicted records that some reader still needed", "topic"
        )
        self.metrics.gauge("log_used_bytes", "What the log takes on the disk", lambda: float(self._use.log_bytes))
        self.metrics.gauge("log_budget_bytes", "What the log may take", lambda: float(self._use.budget_bytes))
        self.metrics.gauge("disk_used_percent", "The data partition, of what is usable", lambda: self._use.disk_percent)
        self.metrics.gauge("disk_tier", "0, 70, 80, 90 or 95: which tier holds", lambda: float(self._tier))

    def open(self) -> None:
        """Nothing to prepare; neither the log nor the broker need be there."""

    def step(self, stop: threading.Event) -> None:
        """Wait a moment; look where it is time; begin or end an eviction."""
        stop.wait(LOOK_SECONDS / 4)
        if (done := self._helper.poll()) is not None:
            self._note(done)
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        self._see(now)
        self._tell()
        if not self._blind:
            self._act(now)
        self.metrics.connected.set(not self._blind and not self._failure)

    def _see(self, now: float) -> None:
        try:
            self._look = self._log_use.look()
            disk = shutil.disk_usage(self._where.root)
        except OSError as error:
            self._say_blind(f"the log cannot be seen: {error.strerror}")
            return
        self._say_blind("")
        self._use = Use(
            log_bytes=self._look.size_bytes,
            budget_bytes=self._budget(),
            disk_used_bytes=disk.used,
            disk_total_bytes=disk.used + disk.free,  # what root has in reserve is nobody's
        )
        self._ages.note(self._raw(), now)
        # Only of the log that is there: of one that begins anew, what was deleted in the one before means nothing.
        newest = {one.place: one.segments[-1].first for one in self._look.partitions if one.segments}
        self._starts = {place: start for place, start in self._starts.items() if start <= newest.get(place, -1)}
        tier = tier_of(self._use.percent, self._tier)
        if tier is not self._tier:
            say = _log.warning if tier > self._tier else _log.info
            say("disk_tier", tier=tier.word, before=self._tier.word, log=self._use.log_percent, **self._figures())
        self._tier = tier

    def _budget(self) -> int:
        """Of the configuration in force; while that cannot be read, as it was."""
        try:
            return self._where.budget_bytes()
        except (ConfigError, OSError):
            return self._use.budget_bytes

    def _say_blind(self, reason: str) -> None:
        if reason and reason != self._blind:
            _log.warning("log_not_seen", reason=reason)
        self._blind = reason

    def _tell(self) -> None:
        """The pressure file, fresh at every look: adapters do not wait for a controller that is dead."""
        told = Pressure(
            tier=int(self._tier),
            is_gated=self._tier is Tier.GATE and not self._blind,
            used_percent=round(self._use.percent, 1),
            monotonic_ns=time.monotonic_ns(),
        )
        try:
            pressure.write(self._where.runtime, told)
        except OSError as error:
            self.metrics.errors.labels(stage="pressure", type=type(error).__name__).inc()

    def _act(self, now: float) -> None:
        is_alarm_wanted = self._tier is Tier.GATE
        note = alarm_note.load(self._where.state)
        is_alarm_due = is_alarm_wanted != (note.is_sent if is_alarm_wanted else bool(note.raised_at_us))
        is_due = now >= self._act_at and not self._helper.is_busy
        is_full = is_due and self._tier >= Tier.DOWNSAMPLE
        if is_full or now >= self._ask_at:
            self._ask(now)
        cuts = self._cuts(now) if is_full else ()
        if is_due and (cuts or is_alarm_due or (self._where.state / PENDING).exists()):
            order = Order(
                cuts=cuts,
                tier=self._tier.word,
                is_alarm_wanted=is_alarm_wanted,
                used_percent=round(self._use.percent, 1),
            )
            self._start(order, now)

    def _start(self, order: Order, now: float) -> None:
        self._act_at = now + PAUSE_SECONDS
        try:
            self._helper.start(order)
        except OSError as error:
            self._note(Done(error=str(error)))

    def _ask(self, now: float) -> None:
        self._ask_at = now + ASK_SECONDS
        try:
            self._readers.ask()
        except OSError as error:
            self.metrics.errors.labels(stage="state", type=type(error).__name__).inc()

    def _cuts(self, now: float) -> tuple[Cut, ...]:
        incarnations = self._incarnations()
        if incarnations is None:
            return ()
        logs = self._look.partitions
        return plan(
            logs,
            self._readers.held([one.place for one in logs], incarnations),
            free_bytes=self._use.excess_bytes() if self._tier >= Tier.EVICT else 0,
            aged=self._ages.old(now, self._age_seconds),
            starts=self._starts,
        )

    def _incarnations(self) -> Incarnations | None:
        """Of the log; None where the list cannot be read: then nobody's position means anything."""
        try:
            return Incarnations.from_json((self._where.runtime / INCARNATIONS_FILE).read_bytes())
        except FileNotFoundError:
            return Incarnations()
        except (OSError, ValueError):
            return None

    def _raw(self) -> list[PartitionLog]:
        return [one for one in self._look.partitions if one.place.topic == Topic.TELEMETRY_RAW.value]

    def _note(self, done: Done) -> None:
        self._failures = self._failures + 1 if done.error else 0
        self._act_at = time.monotonic() + min(MOST_PAUSE_SECONDS, PAUSE_SECONDS * 2 ** min(self._failures, 8))
        self._starts |= done.starts
        for one in done.evicted:
            self._records.labels(topic=one.topic).inc(one.records)
            self._bytes.labels(topic=one.topic).inc(one.size_bytes)
            self._undelivered.labels(topic=one.topic).inc(one.lost)
            self._evicted[one.topic] = self._evicted.get(one.topic, 0) + one.records
            self._lost += one.lost
        if done.evicted:
            self.metrics.succeeded()
            records = {f"{one.topic}/{one.number}": one.records for one in done.evicted}
            _log.warning("evicted", tier=self._tier.word, records=records, undelivered=self._lost)
        if done.error and done.error != self._failure:
            _log.warning("eviction_failed", reason=done.error)
            self.metrics.errors.labels(stage="evict", type="failed").inc()
        self._failure = done.error

    def _alarms_percent(self) -> float:
        """The alarms, of their own share: they are never evicted."""
        share = sum(one.share_bytes(self._use.budget_bytes) for one in TOPICS if one.topic in _ALARMS)
        return 100 * sum(self._look.topic_bytes(topic.value) for topic in _ALARMS) / share if share else 0.0

    def drain(self, deadline: float) -> None:  # noqa: ARG002 - the contract of every component
        """Keep where the readers stand."""
        self._helper.stop()
        try:
            self._readers.save()
        except OSError as error:
            _log.warning("readers_not_saved", reason=str(error))

    def close(self) -> None:
        """End a helper that still runs."""
        self._helper.stop()

    def status(self) -> str:
        """For `systemctl status`."""
        return self._judge()[1]

    def health(self) -> Health:
        """UNHEALTHY: telemetry is gated, or the alarms' share is full. DEGRADED: from 70 %, or it cannot work."""
        state, status = self._judge()
        details = {
            "kind": "overflow",
            "tier": self._tier.word,
            "is_gated": self._tier is Tier.GATE,
            "log_used_bytes": self._use.log_bytes,
            "log_budget_bytes": self._use.budget_bytes,
            "log_percent": round(self._use.log_percent, 1),
            "disk_percent": round(self._use.disk_percent, 1),
            "evicted_records": dict(self._evicted),
            "evicted_undelivered_records": self._lost,
        }
        return Health(state=state, status=status, details=details)

    def _judge(self) -> tuple[State, str]:
        used = f"log {self._use.log_percent:.0f} % of {self._use.budget_bytes / _GIB:.1f} GiB"
        used += f", disk {self._use.disk_percent:.0f} % full"
        if self._blind:
            return State.DEGRADED, self._blind
        if self._tier is Tier.GATE:
            return State.UNHEALTHY, f"{used}: telemetry waits in the adapters"
        if self._alarms_percent() >= 100:
            return State.UNHEALTHY, f"{used}: the alarms' share is full"
        if self._failure:
            return State.DEGRADED, f"{used}: cannot evict: {self._failure}"
        does = {
            Tier.EVICT: ": the oldest of low priority gives way",
            Tier.DOWNSAMPLE: ": raw readings over an hour old give way",
            Tier.ALERT: ": it is filling up",
        }
        return (State.DEGRADED if self._tier else State.HEALTHY), used + does.get(self._tier, "")

    def _figures(self) -> dict[str, float]:
        return {"log_percent": round(self._use.log_percent, 1), "disk_percent": round(self._use.disk_percent, 1)}


def _budget() -> int:
    limit = load_settings(places.configuration()).kafka.disk_limit_bytes
    return disk_budget_bytes(places.root(), limit)


def state_directory() -> Path:
    """Where it keeps its notes."""
    return Path(os.environ.get("STATE_DIRECTORY", places.root() / "state" / UNIT))


def main() -> int:
    """Keep the budget until SIGTERM; the exit code for systemd."""
    where = Places(
        root=places.root(),
        runtime=places.runtime(),
        configuration=places.configuration(),
        state=state_directory(),
        budget_bytes=_budget,
    )
    return service.run(lambda: Overflow(where), UNIT)
