"""Runs a sink as a unit: reads, cuts batches, writes, retries, breaks the circuit. The sink itself never waits."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from streamforge.backoff import Backoff
from streamforge.bus.connection import Connection
from streamforge.bus.presence import Presence
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Fetched, Pace, Reader, stored
from streamforge.clock import now_us
from streamforge.codec import encode
from streamforge.errors import NotConnected, Rejected
from streamforge.health import Health, State
from streamforge.logs import Log
from streamforge.metrics import Metrics
from streamforge.model import DeadLetter, ReadingBatch, Topic
from streamforge.progress import Partition, Stored, is_after_hole
from streamforge.service import Component
from streamforge.sinks.base import BatchRule, Sink
from streamforge.sinks.breaker import Breaker, BreakerState
from streamforge.sinks.last_progress import LastProgress
from streamforge.sinks.tally import Tally

_log = Log("sink")
PACE = Pace(least_bytes=100_000, wait_ms=150, most_records=500)
POLL_SECONDS = 0.25
BACKLOG_SECONDS = 5.0
FLUSH_SECONDS = 3.0
AGE_BUCKETS_SECONDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 60.0, 3600.0)
DEAD_LETTERS = Partition(Topic.DLQ_TELEMETRY.value)


def component(sink: Sink[Any], kind: str) -> Component:
    """The unit's work for a sink, with the broker from the environment."""
    return SinkComponent(sink, kind, connection=Connection.from_environment(f"sink-{kind}"))


class SinkComponent:
    """One sink with the topics it delivers. The target's own progress decides where reading goes on."""

    def __init__(self, sink: Sink[Any], kind: str, *, connection: Connection) -> None:
        self._sink = sink
        self._kind = kind
        self._rule: BatchRule = sink.config.batch
        self._connection = connection
        self._reader: Reader | None = None
        self._tally: Tally | None = None
        self._last_progress = LastProgress(_state_directory())
        self._known_progress = self._last_progress.read()
        self._batch: list[Stored] = []
        self._refused: list[Stored] = []
        self._batch_bytes = 0
        self._batch_readings = 0
        self._oldest_at = 0.0
        self._breaker = Breaker()
        self._backoff = Backoff()
        self._next_try_at = 0.0
        self._last_error = ""
        self._broker = Presence(_log, connection.bootstrap)
        self._unreadable = 0
        self._backlog = 0
        self._backlog_at = 0.0
        self._last_success_us = 0
        self._is_away_said = False
        self.metrics = Metrics()
        self._ages = self.metrics.histogram(
            "delivery_seconds", "Age of a clean record when the target had it", AGE_BUCKETS_SECONDS
        )
        self._missing = 0
        self._missing_records = self.metrics.counter("records_missing_total", "Records of the log that were gone")
        self.metrics.gauge("lag_records", "Records not yet delivered", lambda: float(self._lag()))

    def open(self) -> None:
        """Nothing to prepare; target and broker may be away."""

    def step(self, stop: threading.Event) -> None:
        """Poll once and write what is due; or one try to reach target and broker."""
        if self._reader is not None and self._reader.is_outdated:
            self.close()  # positions of the log before mean nothing: begin again from what the target holds
        try:
            if self._tally is None:
                self._try_to_connect(stop)
            else:
                self._work(self._tally)
        except (NotConnected, OSError) as error:
            self._failed(error)
        self.metrics.connected.set(float(self._is_well()))

    def _try_to_connect(self, stop: threading.Event) -> None:
        """The broker first, so that neither is blamed for the other."""
        now = time.monotonic()
        is_open = self._breaker.state(now) is BreakerState.OPEN
        if now < self._next_try_at or is_open or not self._has_broker():
            self._note_backlog(now)
            stop.wait(POLL_SECONDS)
            return
        tally = Tally(self._sink.connect())
        self._reached()
        try:
            self._begin(tally, self._input())
        except NotConnected as error:
            self._broker.note(str(error))
            self._sink.close()
            stop.wait(POLL_SECONDS)

    def _has_broker(self) -> bool:
        if self._reader is not None:
            return True
        try:
            self._reader = Reader(self._connection, PACE)
        except NotConnected as error:
            self._broker.note(str(error))
            self._next_try_at = time.monotonic() + self._backoff.next_seconds()
        return self._reader is not None

    def _begin(self, tally: Tally, reader: Reader) -> None:
        places = [place for topic in self._sink.config.topics for place in reader.partitions(topic)]
        ends = reader.ends(places)
        if clamped := tally.clamp(reader.incarnations, ends):
            to = {place.topic: offset for place, offset in clamped.items()}
            _log.warning("position_clamped", kind=self._kind, to=to)
        reader.assign(tally.start(reader.starts(places)))
        self._tally = tally
        self._known_progress = tally.progress
        self._broker.note("")
        self._backoff.reset()

    def _note_backlog(self, now: float) -> None:
        """While the target is away, see every few seconds how much waits for it."""
        known = self._known_progress
        if self._reader is None or known is None or now - self._backlog_at < BACKLOG_SECONDS:
            return
        self._backlog_at = now
        try:
            ends = self._reader.ends(known.positions)
        except NotConnected as error:
            self._broker.note(str(error))
            return
        self._backlog = sum(max(0, end - known.positions[place].next_offset) for place, end in ends.items())

    def _work(self, tally: Tally) -> None:
        for fetched in self._input().poll(self._patience()):
            self._take(fetched, tally)
        self._broker.note(self._input().away)
        self._note_holes(tally)
        if self._is_due():
            self._write(tally)

    def _input(self) -> Reader:
        if self._reader is None:
            raise NotConnected(self._last_error)
        return self._reader

    def _patience(self) -> float:
        """How long to wait for records: not past the moment at which the batch is due by age."""
        if not self._batch:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.0, self._oldest_at + self._rule.age_ms / 1000 - time.monotonic()))

    def _take(self, fetched: Fetched, tally: Tally) -> None:
        try:
            record = stored(fetched)
        except Rejected as error:
            self.metrics.errors.labels(stage="decode", type="rejected").inc()
            self._unreadable += 1
            if self._unreadable > 1:  # the first is worth a line, the rest a metric
                return
            _log.warning("record_unreadable", topic=fetched.partition.topic, offset=fetched.offset, reason=error.reason)
            return
        if is_after_hole(record.headers):
            tally.hole(record.partition, record.offset)
        if tally.has(record.record, record.partition.number):
            if not self._batch:
                self._known_progress = tally.passed(record)
            return
        if not self._batch:
            self._oldest_at = time.monotonic()
        count = len(record.record) if isinstance(record.record, ReadingBatch) else 1
        self._batch.append(record)
        self._batch_bytes += record.size_bytes
        self._batch_readings += count
        self.metrics.records_in.inc(count)

    def _note_holes(self, tally: Tally) -> None:
        holes = self._input().holes
        for hole in holes:
            tally.hole(hole.partition, hole.next_offset)
            self.metrics.errors.labels(stage="read", type="hole").inc()
            self._missing_records.inc(hole.offsets)
            self._missing += hole.offsets
            _log.warning("offsets_missing", **hole.fields())
        holes.clear()

    def _is_due(self) -> bool:
        return bool(self._batch or self._refused) and (
            self._batch_readings >= self._rule.readings
            or self._batch_bytes >= self._rule.bytes
            or time.monotonic() - self._oldest_at >= self._rule.age_ms / 1000
        )

    def _write(self, tally: Tally) -> None:
        try:
            progress = tally.after(self._batch, self._refused)
            self._sink.write(self._batch, progress)
        except Rejected as error:
            self._bury(error)
            return
        tally.written(progress)
        self._known_progress = progress
        self._last_progress.note(progress)
        self._succeeded(self._batch_readings)

    def _succeeded(self, readings: int) -> None:
        self.metrics.records_out.inc(readings)
        self.metrics.succeeded()
        self._last_success_us = now_us()
        for taken in self._batch:
            if isinstance(taken.record, ReadingBatch):
                self._ages.observe((self._last_success_us - taken.record.gateway_time_us) / 1e6)
        self._breaker.succeeded()
        self._backoff.reset()
        self._clear()

    def _reached(self) -> None:
        self._last_error = ""
        if self._is_away_said:
            self._is_away_said = False
            _log.info("target_back", kind=self._kind)

    def _clear(self) -> None:
        self._batch, self._refused, self._batch_bytes, self._batch_readings = [], [], 0, 0

    def _bury(self, error: Rejected) -> None:
        """Records that the target will never take go to the dead letters; the rest is tried again without them."""
        refused = [self._batch[index] for index in error.indices]
        _log.warning("records_refused", kind=self._kind, count=len(refused), reason=error.reason)
        self.metrics.errors.labels(stage="write", type="rejected").inc(len(refused))
        producer = Producer(self._connection, (DEAD_LETTERS.topic,))
        try:
            for record in refused:
                letter = _dead_letter(record, f"{self._kind}: {error.reason}")
                producer.send(DEAD_LETTERS, b"", encode(letter), (), lambda _offset: None)
            if not producer.flush(FLUSH_SECONDS):
                raise NotConnected("the broker does not acknowledge the dead letters")
        finally:
            producer.close(0.0)
        self._refused += refused
        gone = set(error.indices)
        self._batch = [record for index, record in enumerate(self._batch) if index not in gone]

    def _failed(self, error: BaseException) -> None:
        """Let go of the target: what it holds is asked again at the next try."""
        self._breaker.failed(time.monotonic())
        self._next_try_at = time.monotonic() + self._backoff.next_seconds()
        self._last_error = str(error) or type(error).__name__
        self.metrics.errors.labels(stage="write", type="away").inc()
        if not self._is_away_said:
            self._is_away_said = True
            _log.warning("target_away", kind=self._kind, reason=self._last_error)
        self._let_go()

    def _let_go(self) -> None:
        self._sink.close()
        self._tally = None
        self._clear()

    def drain(self, deadline: float) -> None:
        """Write what was read."""
        del deadline
        if self._tally is not None and (self._batch or self._refused):
            try:
                self._write(self._tally)
            except (NotConnected, OSError) as error:
                self._failed(error)

    def close(self) -> None:
        """Let go of target and broker."""
        self._let_go()
        self._last_progress.note(self._known_progress, is_last=True)
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _lag(self) -> int:
        if self._tally is None:
            return self._backlog
        behind = sum(self._reader.lags().values()) if self._reader is not None else 0
        return behind + len(self._batch)

    def _evicted(self) -> int:
        """Readings that were gone before this sink could read them, by what the target holds."""
        known = self._known_progress
        return sum(counted.evicted for counted in known.counts.values()) if known is not None else 0

    def _is_well(self) -> bool:
        return self._tally is not None and not self._last_error and not self._broker.reason

    def status(self) -> str:
        """How far it is behind, or what is waited for."""
        if self._last_error:
            return f"waiting for {self._kind}: {self._last_error}"
        if self._broker.reason:
            return f"waiting for the broker: {self._broker.reason}"
        lag = self._lag()
        return (
            f"delivering to {self._kind}, {lag} record{'s' * (lag != 1)} behind"
            if lag
            else f"delivering to {self._kind}, up to date"
        )

    def health(self) -> Health:
        """DEGRADED while the target or the broker is away."""
        return Health(
            state=State.HEALTHY if self._is_well() else State.DEGRADED,
            status=self.status(),
            details={
                "kind": "sink",
                "target": self._kind,
                "topics": list(self._sink.config.topics),
                "lag_records": self._lag(),
                "breaker": self._breaker.state(time.monotonic()).value,
                "last_error": self._last_error,
                "last_success_us": self._last_success_us,
                "holes": {"records": self._missing, "readings": self._evicted()},
                "progress": self._known_progress.to_json() if self._known_progress is not None else "",
            },
        )


def _state_directory() -> Path | None:
    """As systemd gives it, the last of several (of a file sink, whose first is its target); None where it does not."""
    directory = os.environ.get("STATE_DIRECTORY", "").rpartition(":")[2]
    return Path(directory) if directory else None


def _dead_letter(record: Stored, reason: str) -> DeadLetter:
    return DeadLetter(
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        time_us=record.kafka_time_us,
        reason=reason,
        payload=encode(record.record),
    )
