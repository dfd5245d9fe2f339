"""The helper process: tells of an eviction, then makes it. It alone loads the Kafka client, and ends when it is done.

The order of things: decide and note it on the disk; the events, until the broker has them on the disk; the deletion;
note where the partitions begin now; forget the decision. A process killed anywhere is repeated by the next with the
very same events, by the note. What is lent of the topics' retention comes last.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from streamforge import logs
from streamforge.bus.admin import Admin
from streamforge.bus.connection import Connection
from streamforge.bus.producer import deliver
from streamforge.bus.reader import Reader
from streamforge.clock import now_us
from streamforge.durable import write_durably
from streamforge.errors import StreamForgeError
from streamforge.gateway.overflow import alarm_note, starts
from streamforge.gateway.overflow.alarm_note import AlarmNote
from streamforge.gateway.overflow.decide import decide
from streamforge.gateway.overflow.eviction import RETENTION, THINNING, Eviction, alarm, event, from_json
from streamforge.gateway.overflow.order import PENDING, Done, Order
from streamforge.gateway.overflow.retention import set_retention
from streamforge.gateway.overflow.thinning import thin
from streamforge.gateway.overflow.tiers import Tier
from streamforge.logs import Log
from streamforge.model import Alarm, Event, Topic
from streamforge.progress import Partition

EVENTS, ALARMS = Partition(Topic.EVENTS_CLEAN.value), Partition(Topic.ALARMS_RAW.value)
FLUSH_SECONDS = 10.0
BOOTSTRAP_MS = 5_000
_log = Log("overflow")


class Actor:
    """One run, with its notes in the directory `state`."""

    def __init__(self, connection: Connection, state: Path) -> None:
        self._connection = connection
        self._state = state
        self._pending = state / PENDING

    def act(self, order: Order) -> Done:
        """First what an earlier run did not end, then the order. Raises StreamForgeError."""
        evicted = self._carry_out(self._left_over())
        decided, begins, barred = self._decide(order)
        if decided:
            self._note(decided)
            evicted += self._carry_out(decided)
        self._tend_alarm(order)
        if order.retention:
            with Admin(self._connection, bootstrap_timeout_ms=BOOTSTRAP_MS) as admin:
                set_retention(admin, order.retention)
        return Done(evicted=tuple(evicted), starts=begins | _ends(evicted), barred=barred)

    def _left_over(self) -> list[Eviction]:
        """What was noted and perhaps not done; of an incarnation that is over it means nothing."""
        try:
            noted = [from_json(one) for one in json.loads(self._pending.read_text())]
        except (OSError, ValueError, TypeError):
            return []
        current = self._connection.incarnations().current
        return [one for one in noted if one.incarnation == current]

    def _decide(self, order: Order) -> tuple[list[Eviction], dict[Partition, int], str]:
        """What of the order is still there, as evictions; where the partitions begin; what bars the thinning."""
        if not order.cuts and not order.thin:
            return [], {}, ""
        reader = Reader(self._connection)
        try:
            begins = reader.starts({cut.place: None for cut in (*order.cuts, *order.thin)})
            thinned, barred = thin(reader, order.thin)
            found = decide(reader, order.cuts, begins, order.tier) + decide(reader, thinned, begins, THINNING)
        finally:
            reader.close()
        return found, begins, barred

    def _note(self, decided: Sequence[Eviction]) -> None:
        """A disk that is so full that it does not even take this is all the more in need of the deletion."""
        try:
            write_durably(self._pending, json.dumps([asdict(one) for one in decided]).encode())
        except OSError as error:
            _log.warning("eviction_not_noted", reason=str(error))

    def _carry_out(self, decided: list[Eviction]) -> list[Eviction]:
        if decided:
            self._send(EVENTS, [event(one) for one in decided])
            if there := _ends([one for one in decided if one.tier != RETENTION]):
                with Admin(self._connection, bootstrap_timeout_ms=BOOTSTRAP_MS) as admin:
                    admin.delete_records(there)
            with suppress(OSError):
                starts.save(self._state, starts.load(self._state) | _ends(decided))
        with suppress(OSError):
            self._pending.unlink()
        return decided

    def _tend_alarm(self, order: Order) -> None:
        note = alarm_note.load(self._state)
        told = partial(alarm, used_percent=order.used_percent, threshold=float(Tier.GATE))
        if order.is_alarm_wanted and not note.is_sent:
            note = replace(note, raised_at_us=note.raised_at_us or now_us())
            note.save(self._state)
            self._send(ALARMS, [told(raised_at_us=note.raised_at_us)])
            replace(note, is_sent=True).save(self._state)
        elif not order.is_alarm_wanted and note.raised_at_us:
            self._send(ALARMS, [told(raised_at_us=note.raised_at_us, cleared_at_us=now_us())])
            AlarmNote().save(self._state)

    def _send(self, place: Partition, records: Sequence[Event | Alarm]) -> None:
        """They are on the disk when this returns."""
        deliver(self._connection, place, records, FLUSH_SECONDS)


def _ends(evicted: Sequence[Eviction]) -> dict[Partition, int]:
    return {Partition(one.topic, one.number): one.end for one in evicted}


def main(state: Path) -> int:
    """One order from standard input, its answer on standard output; 0 = done, 1 = not all of it."""
    logs.set_up()
    order = Order.from_json(sys.stdin.read())
    try:
        done = Actor(Connection.from_environment("overflow"), state).act(order)
    except (StreamForgeError, OSError) as error:
        done = Done(error=str(error) or type(error).__name__)
    print(done.to_json())
    return 1 if done.error else 0
