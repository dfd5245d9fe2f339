"""The life of one simulated process, and how it ends: at any exchange with the world outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.simulated.broker import Broker
    from tests.faults.simulated.client import Client


class Killed(SystemExit):
    """The process is no more. A SystemExit, for an event loop lets that one through at once."""


class Life:
    """One process from its start to its end. `touch` stands at every exchange with the outside."""

    def __init__(self, name: str, broker: Broker) -> None:
        self.name = name
        self.broker = broker
        self.is_dead = False
        self.is_stopping = False
        self.stopped_until = 0.0
        self.clients: list[Client] = []
        self.exchanges_left: int | None = None

    def touch(self) -> None:
        """One exchange: the last one ends the process. Raises Killed."""
        if self.exchanges_left is not None:
            self.exchanges_left -= 1
            if self.exchanges_left < 0:
                self.end()
        if self.is_dead:
            raise Killed

    def end(self) -> None:
        """kill -9: what its clients had under way may or may not arrive."""
        if not self.is_dead:
            self.is_dead = True
            for client in self.clients:
                client.abandon()
