"""Readings of one asset that arrive together become one batch, done for each message that they came of. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from streamforge.adapters.base import Batch
from streamforge.adapters.lane import both
from streamforge.adapters.mqtt_acks import Ticket
from streamforge.adapters.mqtt_readings import Sample, batch_of

MOST_READINGS = 1_000
# Of all messages of a batch: long texts that fit the log each alone must fit it together, too.
MOST_BYTES = 512 * 1024


@dataclass(slots=True)
class _Open:
    """One batch while it grows: a parameter stands in it once."""

    samples: list[Sample] = field(default_factory=list)
    parameters: set[str] = field(default_factory=set)
    tickets: list[Ticket] = field(default_factory=list)
    payload_bytes: int = 0

    def takes(self, sample: Sample, ticket: Ticket) -> bool:
        """Whether there is room for it."""
        if sample.parameter in self.parameters or len(self.samples) >= MOST_READINGS:
            return False
        return self.tickets[-1] is ticket or self.payload_bytes + len(ticket.payload) <= MOST_BYTES


class Gather:
    """`add` what arrives, then take the batches."""

    def __init__(self, done: Callable[[Sequence[Ticket]], None]) -> None:
        """`done` is told of the messages of each batch that the log has."""
        self._done = done
        self._open: dict[tuple[str, bool], _Open] = {}
        self._closed: list[Batch] = []

    def add(self, samples: Iterable[Sample], ticket: Ticket, *, is_history: bool = False) -> None:
        """The readings of one message; each batch that they go into is one more part of it."""
        for sample in samples:
            key = (sample.asset_id, is_history)
            group = self._open.get(key)
            if group is None or not group.takes(sample, ticket):
                if group is not None:
                    self._close(key)
                group = self._open[key] = _Open()
            group.samples.append(sample)
            group.parameters.add(sample.parameter)
            if not group.tickets or group.tickets[-1] is not ticket:
                group.tickets.append(ticket)
                group.payload_bytes += len(ticket.payload)
                ticket.parts += 1

    def put(self, batch: Batch, ticket: Ticket) -> None:
        """A batch that is whole already, after what was added before it."""
        for key in [key for key in self._open if key[0] == batch.asset_id]:
            self._close(key)
        ticket.parts += 1
        self._closed.append(replace(batch, done=both(batch.done, partial(self._done, (ticket,)))))

    def take(self) -> list[Batch]:
        """Every batch, in the order of each asset's readings."""
        for key in list(self._open):
            self._close(key)
        closed, self._closed = self._closed, []
        return closed

    def _close(self, key: tuple[str, bool]) -> None:
        group = self._open.pop(key)
        batch = batch_of(group.samples, is_history=key[1])
        self._closed.append(replace(batch, done=partial(self._done, group.tickets)))
