"""Follows telemetry.clean for the page: the tail first, then what comes. A broker that is away is no failure."""

import threading
import time

from streamforge.backoff import Backoff
from streamforge.bus.connection import Connection
from streamforge.bus.reader import Pace, Reader
from streamforge.clock import now_us
from streamforge.codec import decode
from streamforge.errors import ConfigError, Fatal, NotConnected, Rejected
from streamforge.logs import Log
from streamforge.model import ReadingBatch, Topic
from streamforge.web.last_values import LastValues

# What is read again at the start, so that a page shows values at once, also of devices that fell silent.
TAIL_RECORDS = 500
POLL_SECONDS = 1.0
_MOST_WAIT_SECONDS = 10.0
_log = Log("web")


class Follower:
    """Fills `values`, one bounded step at a time."""

    def __init__(self, values: LastValues, principal: str) -> None:
        self._values = values
        self._principal = principal
        self._reader: Reader | None = None
        self._backoff = Backoff(most_seconds=_MOST_WAIT_SECONDS)
        self._next_try = 0.0

    def step(self, stop: threading.Event) -> None:
        """Read for about a second, or wait for the next try."""
        if self._reader is None and time.monotonic() < self._next_try:
            stop.wait(min(POLL_SECONDS, self._next_try - time.monotonic()))
            return
        try:
            self._read(self._reader or self._connect())
        except (NotConnected, ConfigError, Fatal, OSError) as error:
            self._lost(error)

    def _connect(self) -> Reader:
        reader = Reader(Connection.from_environment(self._principal), Pace(wait_ms=1000, most_records=500))
        self._reader = reader
        places = reader.partitions(Topic.TELEMETRY_CLEAN)
        starts, ends = reader.starts(places), reader.ends(places)
        reader.assign({place: max(starts[place], ends[place] - TAIL_RECORDS) for place in places})
        self._backoff.reset()
        if self._values.problem:
            _log.info("values_followed", topic=str(Topic.TELEMETRY_CLEAN))
        self._values.problem = ""
        return reader

    def _read(self, reader: Reader) -> None:
        polled = reader.poll(POLL_SECONDS)
        if reader.away:  # a poll says nothing of a broker that went away; the reader asks after some silence
            raise NotConnected(reader.away)
        for fetched in polled:
            try:
                record = decode(fetched.value)
            except Rejected:
                continue  # the validator's business; the page only shows what can be read
            if isinstance(record, ReadingBatch):
                self._values.take(record, seen_us=now_us())
        # The page needs no complete history: a hole is the business of those that deliver.
        reader.holes.clear()

    def _lost(self, error: Exception) -> None:
        if not self._values.problem.startswith("the log"):
            _log.info("values_not_followed", reason=str(error))
        self._values.problem = "the log does not answer"
        self.close()
        self._next_try = time.monotonic() + self._backoff.next_seconds()

    def close(self) -> None:
        """Let go of the broker; again does nothing."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
