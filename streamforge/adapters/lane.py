"""Records of one topic on their way to the log: in order, kept until they are acknowledged, sent again if they must be.

They stand outside the Kafka client, which has no bound of its own; what it was given and has not acknowledged is kept
too, so that a new client can be told it.
"""

import zlib
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from streamforge.adapters.base import nothing
from streamforge.errors import Rejected
from streamforge.progress import Headers, Partition

MOST_IN_FLIGHT_BYTES = 2 * 1024 * 1024
MOST_IN_FLIGHT = 2_000


class Sender(Protocol):
    """What a lane needs of `bus.Producer`."""

    def send(self, place: Partition, key: bytes, value: bytes, headers: Headers, on_ack: Callable[[int], None]) -> None:
        """Hand a record over; `on_ack` runs in another thread."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One encoded record of `readings` readings. `number` tells it from the epoch's others on that topic, and grows.

    `done` runs when the log has acknowledged it, and then what else waits for that: a list, for while the log is away
    that may be thousands.
    """

    number: int
    readings: int
    key: bytes
    value: bytes
    done: Callable[[], None]
    headers: Headers = ()
    is_acknowledged: bool = False
    after: list[Callable[[], None]] | None = None

    def tell(self) -> None:
        """Nobody need wait for it any more."""
        self.done()
        for done in self.after or ():
            done()


def both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    """The one, then the other."""

    def run() -> None:
        first()
        then()

    return run


def when_all(count: int, done: Callable[[], None]) -> Callable[[], None]:
    """Runs `done` when it was called `count` times; at once where that is none."""
    left = count
    if not count:
        done()

    def one() -> None:
        nonlocal left
        left -= 1
        if not left:
            done()

    return one


class Lane:
    """One topic's. Not thread-safe but for acknowledgements."""

    def __init__(self, topic: str, wake: Callable[[], None] = nothing) -> None:
        """`wake` runs in another thread at each acknowledgement: there is something to settle."""
        self.topic = topic
        self._wake = wake
        self._waiting: deque[Entry] = deque()
        self._in_flight: deque[Entry] = deque()
        self._waiting_bytes = 0
        self._in_flight_bytes = 0
        self.waiting_for_it = 0  # how many, besides the records themselves, wait for acknowledgements

    @property
    def unacknowledged_bytes(self) -> int:
        """Encoded bytes that the log does not have yet."""
        return self._waiting_bytes + self._in_flight_bytes

    @property
    def oldest_in_flight(self) -> int:
        """The number of the oldest record that was handed over and is not acknowledged; 0 = none."""
        return self._in_flight[0].number if self._in_flight else 0

    @property
    def is_empty(self) -> bool:
        """Whether the log has everything."""
        return not self._waiting and not self._in_flight

    def put(self, entry: Entry) -> None:
        """It waits here until `pump` hands it over."""
        self._waiting.append(entry)
        self._waiting_bytes += len(entry.value)

    def after(self, done: Callable[[], None]) -> None:
        """Run it once all that was put in so far is acknowledged."""
        if done is nothing:
            return
        if self.is_empty:
            done()
            return
        last = (self._waiting or self._in_flight)[-1]
        if last.after is None:
            last.after = []
        last.after.append(done)
        self.waiting_for_it += 1

    def drop_oldest(self) -> Entry | None:
        """Let the oldest go that was not handed over yet; None where there is none."""
        if not self._waiting:
            return None
        entry = self._waiting.popleft()
        self._waiting_bytes -= len(entry.value)
        self.waiting_for_it -= len(entry.after or ())
        return entry

    def pump(self, sender: Sender, partitions: int) -> list[Entry]:
        """Hand over what waits, as far as the bound on what is in flight allows; what is too large ever to go.

        Raises what else `sender` raises.
        """
        refused: list[Entry] = []
        while self._waiting and self._in_flight_bytes < MOST_IN_FLIGHT_BYTES and len(self._in_flight) < MOST_IN_FLIGHT:
            entry = self._waiting[0]
            number = zlib.crc32(entry.key) % partitions if partitions > 1 else 0

            def on_ack(_offset: int, entry: Entry = entry) -> None:
                entry.is_acknowledged = True
                self._wake()

            try:
                sender.send(Partition(self.topic, number), entry.key, entry.value, entry.headers, on_ack)
            except Rejected:  # larger than the broker takes
                self.drop_oldest()
                refused.append(entry)
                continue
            self._waiting.popleft()
            self._waiting_bytes -= len(entry.value)
            self._in_flight.append(entry)
            self._in_flight_bytes += len(entry.value)
        return refused

    def settle(self) -> list[Entry]:
        """Take note of acknowledgements, in order, and run their `done`; which they were."""
        settled: list[Entry] = []
        while self._in_flight and self._in_flight[0].is_acknowledged:
            entry = self._in_flight.popleft()
            self._in_flight_bytes -= len(entry.value)
            self.waiting_for_it -= len(entry.after or ())
            settled.append(entry)
            entry.tell()
        return settled

    def recall(self, standing: Container[int]) -> list[Entry]:
        """The client is gone: what it had stands on the log if its number is in `standing`, else it waits again.

        Answers what is settled by that.
        """
        for entry in reversed(self._in_flight):
            if entry.number in standing:
                entry.is_acknowledged = True
                continue
            if not entry.is_acknowledged:
                self._waiting.appendleft(entry)
                self._waiting_bytes += len(entry.value)
                self._in_flight_bytes -= len(entry.value)
        self._in_flight = deque(entry for entry in self._in_flight if entry.is_acknowledged)
        return self.settle()
