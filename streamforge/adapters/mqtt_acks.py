"""Which messages are to be acknowledged, in the order in which they came, and which of them come a second time. Pure.

A broker sends again what was not acknowledged when a connection was lost: perhaps under new packet ids, perhaps not
marked as a repeat. What comes again while the first is still on its way to the log is known by its content.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from streamforge.adapters.mqtt_publish import Published

MOST_HELD = 5_000
MOST_HELD_BYTES = 16 * 1024 * 1024
# So many messages more than are awaited may come before the repeats are all there: acknowledgements that the broker
# did not get any more. Beyond, what looks like a repeat is a new message that says the same.
OTHERS = 200


@dataclass(slots=True, eq=False)
class Ticket:
    """One message until the log has all of it; `parts` counts what it still hangs on."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    is_retained: bool = False
    parts: int = 1

    @property
    def is_done(self) -> bool:
        """Whether the log has it."""
        return self.parts == 0


def _nothing(_mid: int) -> None:
    return None


@dataclass(slots=True)
class Acks:
    """Of one session, over all its connections. Acknowledgements of a lost connection are dropped: `generation`."""

    generation: int = 0
    redelivered: int = 0  # said to be repeats, and perhaps in the log already
    recognised: int = 0  # repeats of what was on its way
    held: int = 0
    held_bytes: int = 0
    _send: Callable[[int], None] = _nothing
    _queue: deque[Ticket] = field(default_factory=deque)
    _awaited: deque[Ticket] = field(default_factory=deque)
    _others_left: int = 0

    @property
    def is_full(self) -> bool:
        """Whether more wait for the log than should be held here."""
        return self.held >= MOST_HELD or self.held_bytes >= MOST_HELD_BYTES

    def opened(self, send: Callable[[int], None], *, is_session_present: bool) -> None:
        """A new connection; without its session the broker sends nothing again."""
        self.lost()
        self._send = send
        if not is_session_present:
            self._awaited.clear()
        self._others_left = OTHERS + 2 * len(self._awaited)

    def lost(self) -> None:
        """The connection is gone, and packet ids mean nothing any more."""
        self.generation += 1
        self._send = _nothing
        self._awaited = deque(ticket for ticket in (*self._queue, *self._awaited) if ticket.qos)
        self._queue.clear()

    def arrived(self, message: Published) -> Ticket | None:
        """To be acknowledged in its turn; None for a repeat of one that is on its way already."""
        known = self._repeated(message) if message.qos and self._awaited else None
        if known is not None:
            known.mid = message.mid
            self.recognised += 1
            self._queue.append(known)
            self._settle()
            return None
        self.redelivered += message.is_marked
        ticket = Ticket(message.topic, message.payload, message.mid, message.qos, message.is_retained)
        self.held += 1
        self.held_bytes += len(message.payload)
        self._queue.append(ticket)
        return ticket

    def _repeated(self, message: Published) -> Ticket | None:
        for ticket in self._awaited:
            if ticket.topic == message.topic and ticket.payload == message.payload:
                self._awaited.remove(ticket)
                return ticket
        self._others_left -= 1
        if self._others_left <= 0:
            self._awaited.clear()
        return None

    def done(self, tickets: Iterable[Ticket]) -> None:
        """The log has a part of each of these."""
        for ticket in tickets:
            ticket.parts -= 1
            if ticket.is_done:
                self.held -= 1
                self.held_bytes -= len(ticket.payload)
        self._settle()

    def _settle(self) -> None:
        """Acknowledge what can be, in order."""
        while self._queue and self._queue[0].is_done:
            ticket = self._queue.popleft()
            if ticket.qos:
                self._send(ticket.mid)
