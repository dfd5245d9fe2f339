"""Who may hold a connection, and for how long: 64 seats, 16 per address, a deadline for each.

No client, however slow or silent, keeps a seat longer than its deadline: the reaper shuts its socket from outside.
"""

import socket
import threading
import time
from collections import Counter

SEATS = 64
SEATS_PER_ADDRESS = 16
REQUEST_SECONDS = 15.0


class Seats:
    """The connections being served, each with its address and deadline. Thread-safe."""

    def __init__(self, *, total: int = SEATS, per_address: int = SEATS_PER_ADDRESS) -> None:
        self._total, self._per_address = total, per_address
        self._lock = threading.Lock()
        self._origins: Counter[str] = Counter()
        self._taken: dict[socket.socket, tuple[str, float]] = {}

    def take(self, connection: socket.socket, address: str, *, seconds: float = REQUEST_SECONDS) -> bool:
        """A seat for this connection until the deadline; False when all, or all of this address, are taken."""
        origin = origin_of(address)
        with self._lock:
            if len(self._taken) >= self._total or self._origins[origin] >= self._per_address:
                return False
            self._origins[origin] += 1
            self._taken[connection] = (origin, time.monotonic() + seconds)
            return True

    def give_back(self, connection: socket.socket) -> None:
        """Free the seat; does nothing where there is none."""
        with self._lock:
            if connection not in self._taken:
                return
            origin, _ = self._taken.pop(connection)
            self._origins[origin] -= 1
            if self._origins[origin] <= 0:
                del self._origins[origin]

    def move(self, connection: socket.socket, wrapped: socket.socket) -> None:
        """The same seat and deadline for the TLS socket that took over the descriptor."""
        with self._lock:
            if connection in self._taken:
                self._taken[wrapped] = self._taken.pop(connection)

    def extend(self, connection: socket.socket, seconds: float) -> None:
        """Move the deadline of a seat to `seconds` from now."""
        with self._lock:
            if connection in self._taken:
                origin, _ = self._taken[connection]
                self._taken[connection] = (origin, time.monotonic() + seconds)

    def reap(self) -> int:
        """Shut every connection past its deadline (its thread then ends by itself); how many there were."""
        now = time.monotonic()
        with self._lock:
            late = [connection for connection, (_, deadline) in self._taken.items() if deadline < now]
            for connection in late:
                _shut(connection)
        return len(late)

    def taken(self) -> int:
        """Seats in use."""
        with self._lock:
            return len(self._taken)


def origin_of(address: str) -> str:
    """What counts as one address: an IPv4 address (also inside IPv6), or the /64 that an IPv6 host owns."""
    if address.startswith("::ffff:"):
        return address.removeprefix("::ffff:")
    if ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return packed[:8].hex()


def _shut(connection: socket.socket) -> None:
    try:
        # Not the TLS socket's own shutdown: it drops its state, which the worker thread is using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # it has gone by itself
