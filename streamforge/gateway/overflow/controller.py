"""`streamforge overflow`: keeps the log within its budget, and says so before it acts.

It looks at the files every two seconds and loads no Kafka client; what must be told and deleted is done by a helper
process that ends again. It decides by what it sees and what the readers say, never by a wall clock.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from streamforge import pressure, service
from streamforge.gateway import places
from streamforge.gateway.disk_budget import disk_budget_bytes
from streamforge.gateway.overflow.ahead import Budget
from streamforge.gateway.overflow.helper import COMMAND, Helper
from streamforge.gateway.overflow.order import Done, Order
from streamforge.gateway.overflow.ordering import Ordering
from streamforge.gateway.overflow.readers import Readers
from streamforge.gateway.overflow.sight import Sight
from streamforge.gateway.overflow.tally import Tally
from streamforge.gateway.overflow.tiers import Tier, Use
from streamforge.gateway.settings import load_settings
from streamforge.health import Health
from streamforge.logs import Log
from streamforge.metrics import Metrics
from streamforge.pressure import Pressure

UNIT = "streamforge-overflow"
LOOK_SECONDS = 2.0
# Readers say where they stand; what they say is needed at once only where something must go.
ASK_SECONDS = 30.0
# After an eviction; after one that failed it doubles, because the helper costs a second of CPU.
PAUSE_SECONDS, MOST_PAUSE_SECONDS = 5.0, 60.0
_log = Log("overflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where it looks and writes; `budget` answers what the log may take."""

    root: Path
    runtime: Path
    configuration: Path
    state: Path
    budget: Callable[[], Budget]


class Overflow:
    """The unit as a component of `service.run`. `age_seconds`: how old raw readings must be to be downsampled away."""

    def __init__(self, where: Places, *, command: Sequence[str] = COMMAND, age_seconds: float = 3600.0) -> None:
        self.metrics = Metrics()
        self.age_seconds = age_seconds
        self._where = where
        self._readers = Readers(where.configuration, where.runtime, where.state)
        self._sight = Sight(where.root, where.runtime, where.budget, self._readers)
        self._ordering = Ordering(where.state)
        self._helper, self._tally = Helper(command), Tally(self.metrics)
        self._order = Order()
        self._failures = 0
        self._look_at = self._ask_at = self._act_at = float("-inf")
        self._gauges()

    def _gauges(self) -> None:
        gauge, sight = self.metrics.gauge, self._sight
        gauge("log_used_bytes", "What the log takes on the disk", lambda: float(self._use.log_bytes))
        gauge("log_budget_bytes", "What the log may take", lambda: float(self._use.budget_bytes))
        gauge("log_history_bytes", "Of it, what every reader has", lambda: float(sight.history_bytes))
        gauge("disk_used_percent", "The data partition, of what is usable", lambda: self._use.disk_percent)
        gauge("disk_tier", "0, 70, 80, 90 or 95: which tier holds", lambda: float(self._tier))

    @property
    def _use(self) -> Use:
        return self._sight.condition.use

    @property
    def _tier(self) -> Tier:
        return self._sight.condition.tier

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
        if now >= self._ask_at:
            self._ask()
        self._sight.see(now)
        self._tell()
        condition = self._sight.condition
        if not condition.blind and now >= self._act_at and not self._helper.is_busy:
            self._act(now)
        self.metrics.connected.set(not condition.blind and not condition.failure)

    def _tell(self) -> None:
        """The pressure file, fresh at every look: adapters do not wait for a controller that is dead."""
        told = Pressure(
            tier=int(self._tier),
            is_gated=self._tier is Tier.GATE and not self._sight.condition.blind,
            used_percent=round(self._use.percent, 1),
            monotonic_ns=time.monotonic_ns(),
        )
        try:
            pressure.write(self._where.runtime, told)
        except OSError as error:
            self._count("pressure", error)

    def _act(self, now: float) -> None:
        """Begin what is to be done; by what readers say at this moment, where something shall go."""
        order = self._ordering.wanted(self._sight, now, self.age_seconds)
        if self._tier >= Tier.DOWNSAMPLE or order.is_to_delete:
            self._ask()
            order = self._ordering.wanted(self._sight, now, self.age_seconds)
        if not order.is_empty or self._ordering.is_left_over:
            self._start(order, now)
            return
        try:
            self._ordering.settle(self._sight)
        except OSError as error:
            self._count("state", error)

    def _start(self, order: Order, now: float) -> None:
        self._act_at = now + PAUSE_SECONDS
        self._order = order
        try:
            self._ordering.begin(order)
            self._helper.start(order)
        except OSError as error:
            self._note(Done(error=str(error)))

    def _ask(self) -> None:
        self._ask_at = time.monotonic() + ASK_SECONDS
        try:
            self._readers.ask()
        except OSError as error:
            self._count("state", error)

    def _note(self, done: Done) -> None:
        now, sight = time.monotonic(), self._sight
        self._failures = self._failures + 1 if done.error else 0
        self._act_at = now + min(MOST_PAUSE_SECONDS, PAUSE_SECONDS * 2 ** min(self._failures, 8))
        if done.error and done.error != sight.condition.failure:
            _log.warning("eviction_failed", reason=done.error)
            self.metrics.errors.labels(stage="evict", type="failed").inc()
        barred = done.barred if self._order.thin else sight.condition.barred
        sight.condition = replace(sight.condition, failure=done.error, barred=barred)
        sight.starts |= done.starts
        self._tally.note(done)
        try:
            self._ordering.note(self._order, done, now)
        except OSError as error:
            self._count("state", error)

    def _count(self, stage: str, error: OSError) -> None:
        self.metrics.errors.labels(stage=stage, type=type(error).__name__).inc()

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
        return self._sight.condition.judge()[1]

    def health(self) -> Health:
        """See `condition.py` for the states."""
        state, status = self._sight.condition.judge()
        details = {
            "kind": "overflow",
            "tier": self._tier.word,
            "is_gated": self._tier is Tier.GATE,
            "log_used_bytes": self._use.log_bytes,
            "log_budget_bytes": self._use.budget_bytes,
            "log_history_bytes": self._sight.history_bytes,
            "log_percent": round(self._use.log_percent, 1),
            "disk_percent": round(self._use.disk_percent, 1),
            "evicted_records": dict(self._tally.evicted),
            "evicted_undelivered_records": self._tally.lost,
        }
        return Health(state=state, status=status, details=details)


def _budget() -> Budget:
    settings = load_settings(places.configuration()).kafka
    size = disk_budget_bytes(places.root(), settings.disk_limit_bytes)
    return Budget(size_bytes=size, partitions=settings.partitions)


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
        budget=_budget,
    )
    return service.run(lambda: Overflow(where), UNIT)
