"""Sends what waits in the event spool to `events.clean`, in order; docs/event-spool.md.

A file goes when its record is acknowledged, which in that topic means on the disk. Whoever dies in between sends it
again under the same event_id.
"""

import time
from functools import partial
from pathlib import Path

from streamforge.backoff import patiently
from streamforge.bus.connection import Connection
from streamforge.bus.producer import Producer
from streamforge.codec import encode
from streamforge.errors import NotConnected, Rejected
from streamforge.gateway.event_spool import EventSpool, read, set_damaged_aside
from streamforge.logs import Log
from streamforge.model import Topic
from streamforge.progress import Partition

EVENTS = Partition(Topic.EVENTS_CLEAN.value)
FLUSH_SECONDS = 10.0
LOOK_SECONDS = 0.5
_log = Log("events")


class EventSender:
    """Empties one spool; `delivered` counts what was acknowledged, and is gone from it."""

    def __init__(self, connection: Connection, spool: EventSpool) -> None:
        self.delivered = 0
        self._connection = connection
        self._spool = spool

    def run(self, *, wait_seconds: float, linger_seconds: float) -> None:
        """Send all that waits, and what comes within `linger_seconds` after the last.

        Tries for `wait_seconds`. Raises NotConnected where the broker stays away, ConfigError and Fatal where it
        refuses, OSError where the spool cannot be read.
        """
        patiently(lambda: self._try(linger_seconds), wait_seconds)

    def _try(self, linger_seconds: float) -> None:
        producer = Producer(self._connection, (EVENTS.topic,))
        try:
            last_seconds = time.monotonic()
            while True:  # the last look is after the last moment that counts
                is_last = time.monotonic() - last_seconds >= linger_seconds
                if waiting := self._spool.waiting():
                    self._send(producer, waiting)
                    last_seconds = time.monotonic()
                elif is_last:
                    return
                time.sleep(LOOK_SECONDS)
        finally:
            producer.close()

    def _send(self, producer: Producer, waiting: list[Path]) -> None:
        acknowledged: list[Path] = []
        for path in waiting:
            try:
                event = read(path)
            except Rejected as error:
                _log.error("event_damaged", file=set_damaged_aside(path).name, reason=error.reason)
            else:
                producer.send(EVENTS, event.asset_id.encode(), encode(event), (), partial(_note, acknowledged, path))
        is_done = producer.flush(FLUSH_SECONDS)
        for path in acknowledged:
            path.unlink()
            self.delivered += 1
        if not is_done:
            raise NotConnected(f"{producer.awaited} does not acknowledge the events")


def _note(acknowledged: list[Path], path: Path, _offset: int) -> None:
    acknowledged.append(path)
