"""Sends what waits in the event spool to `events.clean`, in order; docs/event-spool.md.

A file goes when its record is acknowledged, which in that topic means on the disk. Whoever dies in between sends it
again under the same event_id.
"""

import time
from functools import partial
from pathlib import Path

from streamforge.backoff import Backoff
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


def deliver(connection: Connection, spool: EventSpool, *, wait_seconds: float, linger_seconds: float) -> int:
    """Send all that waits and what comes within `linger_seconds` after the last; how many were delivered.

    Tries for `wait_seconds`. Raises NotConnected where the broker stays away, ConfigError and Fatal where it refuses,
    OSError where the spool cannot be read.
    """
    deadline = time.monotonic() + wait_seconds
    backoff = Backoff()
    delivered = 0
    while True:
        try:
            return delivered + _deliver(connection, spool, linger_seconds)
        except _Interrupted as cut:
            delivered += cut.delivered
            if time.monotonic() > deadline:
                raise NotConnected(str(cut)) from cut
            time.sleep(min(backoff.next_seconds(), max(0.0, deadline - time.monotonic())))


class _Interrupted(Exception):  # noqa: N818 - what happened, not an error of its own
    """The broker went away after `delivered` events."""

    def __init__(self, reason: str, delivered: int) -> None:
        super().__init__(reason)
        self.delivered = delivered


def _deliver(connection: Connection, spool: EventSpool, linger_seconds: float) -> int:
    delivered = 0
    producer: Producer | None = None
    try:
        producer = Producer(connection, (EVENTS.topic,))
        last_seconds = time.monotonic()
        while time.monotonic() - last_seconds < linger_seconds:
            if waiting := spool.waiting():
                delivered += _send(producer, waiting)
                last_seconds = time.monotonic()
            time.sleep(min(LOOK_SECONDS, linger_seconds))
    except NotConnected as error:
        raise _Interrupted(str(error), delivered) from error
    finally:
        if producer is not None:
            producer.close()
    return delivered


def _send(producer: Producer, waiting: list[Path]) -> int:
    """One round: how many of these files were acknowledged, and are gone."""
    acknowledged: list[Path] = []
    for path in waiting:
        try:
            event = read(path)
        except Rejected as error:
            _log.error("event_damaged", file=set_damaged_aside(path).name, reason=error.reason)
            continue
        producer.send(EVENTS, event.asset_id.encode(), encode(event), (), partial(_note, acknowledged, path))
    is_done = producer.flush(FLUSH_SECONDS)
    for path in acknowledged:
        path.unlink()
    if not is_done:
        raise NotConnected("the broker does not acknowledge the events")
    return len(acknowledged)


def _note(acknowledged: list[Path], path: Path, _offset: int) -> None:
    acknowledged.append(path)
