"""`streamforge syncd`: what is written to the data partition is on the disk half a second later.

The watchdog is fed by looking at the sync, not by its end. A sync of a dead disk cannot be interrupted, nor can its
process be killed: a restart would only take away the one who says so. So the unit stays, says UNHEALTHY and for how
long, and whoever waits for a barrier is told in time. A write that failed is the same: nothing here can mend it.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streamforge import service
from streamforge.barrier import UNIT
from streamforge.errors import Fatal, NotConnected
from streamforge.gateway import places
from streamforge.gateway.clock_watch import ClockThread, ClockWatch
from streamforge.gateway.event_spool import EventSpool, place
from streamforge.gateway.log_growth import LogGrowth
from streamforge.gateway.medium import PATIENCE, RECENT, SLOW_SECONDS, Medium
from streamforge.gateway.sync_worker import PERIOD_NS, SyncWorker, Work
from streamforge.gateway.syncfs import FileSystem
from streamforge.health import Answer, Health, Route, State
from streamforge.logs import Log
from streamforge.metrics import Metrics

STEP_SECONDS = 1.0
# In the unit's runtime directory, which outlives the unit and not the kernel: why a sync failed.
REFUSED = "refused"
# From here on a sync does not take long but hangs.
HANG_SECONDS = 5.0 * PATIENCE
BARRIER_SECONDS = 10.0
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_log = Log("syncd")


class Syncd:
    """The unit as a component of `service.run`: a thread syncs, the steps look at it; another watches the clock."""

    def __init__(self, root: Path, file_system: Callable[[Path], FileSystem] = FileSystem) -> None:
        self.metrics = Metrics()
        self._root = root
        self._runtime = Path(os.environ.get("RUNTIME_DIRECTORY", places.runtime()))
        self._open_file_system = file_system
        self._medium = Medium()
        self._growth = LogGrowth(root / "kafka" / "data")
        self._file_system: FileSystem | None = None
        self._worker: SyncWorker | None = None
        self._clock: ClockThread | None = None
        self._failures = 0
        self._is_silent = False
        self._seconds = self.metrics.histogram("sync_seconds", "How long a sync of the disk took", BUCKETS_SECONDS)
        self._syncs = self.metrics.counter("syncs_total", "Syncs by how they ended; skipped: none was needed", "result")
        for result in ("done", "skipped", "failed"):
            self._syncs.labels(result=result).inc(0)
        self._clock_steps = self.metrics.counter("clock_steps_total", "Steps of the wall clock that were said")
        self.metrics.gauge("barrier_age_seconds", "Since the begin of the last good sync", self._age_seconds)

    def open(self) -> None:
        """Open the directory and begin to sync. Fatal where it is not there."""
        try:
            self._file_system = self._open_file_system(self._root)
        except OSError as error:
            msg = f"{self._root} cannot be opened: {error.strerror}"
            raise Fatal(msg) from error
        self._worker = SyncWorker(
            Work(
                sync=self._file_system.sync,
                look=self._growth.look,
                done=self._on_done,
                skipped=self._on_skipped,
                failed=self._on_failed,
            ),
            refused=self._refused_before(),
        )
        self._worker.start()
        watch = ClockWatch(EventSpool(place(self._root)).put, self._runtime)
        self._clock = ClockThread(watch, self._clock_steps.inc)
        self._clock.start()

    def step(self, stop: threading.Event) -> None:
        """See for a second whether the disk answers."""
        stop.wait(STEP_SECONDS)
        if self._worker is None or not self._worker.is_alive():
            msg = "the thread that syncs has ended"
            raise Fatal(msg)
        busy_seconds = self._worker.progress().busy_seconds()
        is_silent = busy_seconds > HANG_SECONDS
        if is_silent and not self._is_silent:
            _log.warning("disk_silent", seconds=round(busy_seconds, 1))
        if self._is_silent and not is_silent:
            _log.info("disk_answers_again")
        self._is_silent = is_silent
        self.metrics.connected.set(not is_silent and not self._worker.progress().refused)

    def drain(self, deadline: float) -> None:
        """One last sync: what wrote before has ended by now."""
        if self._worker is not None and not self._worker.stop(deadline - time.monotonic()):
            _log.warning("last_sync_not_ended", reason="the disk does not answer")

    def close(self) -> None:
        """Let go of the directory, unless a sync hangs in it."""
        clock, self._clock = self._clock, None
        if clock is not None:
            clock.stop(1.0)
        worker, self._worker = self._worker, None
        is_free = worker is None or worker.stop(0)
        if self._file_system is not None and is_free:
            self._file_system.close()
        self._file_system = None

    def status(self) -> str:
        """For `systemctl status`; constant while all is well."""
        return self._judge()[1]

    def health(self) -> Health:
        """UNHEALTHY: the disk hangs, or refused to write since the start. DEGRADED: it is slow."""
        state, status = self._judge()
        age_seconds = self._age_seconds()
        details: dict[str, Any] = {
            "kind": "syncd",
            "barrier_age_ms": round(age_seconds * 1e3) if age_seconds != float("inf") else None,
            "failures": self._failures,
            "slow_syncs": self._medium.slow_syncs,
            **self._medium.figures(),
        }
        return Health(state=state, status=status, details=details)

    def routes(self) -> Mapping[str, Route]:
        """`/barrier?since=<monotonic ns>`."""
        return {"/barrier": self._barrier}

    def _barrier(self, query: Mapping[str, str]) -> Answer:
        since = query.get("since", "")
        if not since.isdecimal() or int(since) > time.monotonic_ns():
            return Answer(code=400, body={"error": "since= must be a moment of CLOCK_MONOTONIC, in ns, not to come"})
        if self._worker is None:
            return Answer(code=503, body={"error": "the unit stops"})
        try:
            return Answer(code=200, body={"barrier_ns": self._worker.wait(int(since), BARRIER_SECONDS)})
        except NotConnected as error:
            return Answer(code=503, body={"error": str(error)})

    def _judge(self) -> tuple[State, str]:
        if self._worker is None:
            return State.UNHEALTHY, "does not run"
        progress = self._worker.progress()
        busy_seconds = progress.busy_seconds()
        if busy_seconds > HANG_SECONDS:
            return State.UNHEALTHY, f"the disk has not answered for {busy_seconds:.0f} s"
        if progress.refused:
            return State.UNHEALTHY, f"the disk refused to write: {progress.refused}; reboot, and replace the disk"
        if self._medium.is_slow:
            slow, of = self._medium.slow_syncs, self._medium.recent
            return State.DEGRADED, f"the disk is slow: {slow} of the last {of} syncs took over {SLOW_SECONDS:g} s"
        return State.HEALTHY, f"syncs every {PERIOD_NS // 1_000_000} ms what was written"

    def _age_seconds(self) -> float:
        return self._worker.progress().age_seconds() if self._worker else float("inf")

    def _on_done(self, seconds: float) -> None:
        self._syncs.labels(result="done").inc()
        self._seconds.observe(seconds)
        self.metrics.succeeded()
        if not self._medium.took(seconds):
            return
        if self._medium.is_slow:
            _log.warning("disk_slow", slow_syncs=self._medium.slow_syncs, of=RECENT, **self._medium.figures())
        else:
            _log.info("disk_fast_again", **self._medium.figures())

    def _on_skipped(self) -> None:
        self._syncs.labels(result="skipped").inc()
        self.metrics.succeeded()

    def _on_failed(self, error: OSError) -> None:
        self._syncs.labels(result="failed").inc()
        self.metrics.errors.labels(stage="sync", type=type(error).__name__).inc()
        self._failures += 1
        if self._failures > 1:
            return
        reason = error.strerror or str(error)
        _log.error("disk_refused", reason=reason)
        try:
            (self._runtime / REFUSED).write_text(reason)
        except OSError as unwritten:
            _log.warning("refusal_not_noted", reason=str(unwritten))

    def _refused_before(self) -> str:
        """Why a sync failed since the machine was started, "" = none did: the kernel does not say it a second time."""
        try:
            return (self._runtime / REFUSED).read_text()
        except OSError:
            return ""


def main() -> int:
    """Sync until SIGTERM; the exit code for systemd."""
    return service.run(lambda: Syncd(places.root()), UNIT)
