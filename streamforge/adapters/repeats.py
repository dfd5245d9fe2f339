"""What was taken already, so that a peer which sends it again does not double it. Pure.

A peer sends again what it believes we do not have: after a kill, what stands on the log and it was not told; after the
loss of a connection, that of which the acknowledgement was lost with it.
Known by asset, parameter, device time and value: a reading that carries no time of its own cannot be told from a new
one that says the same, and is kept.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from streamforge.adapters.base import Batch
from streamforge.adapters.deadband import part, part_of_names
from streamforge.model import Names, ReadingBatch, Value

# Of the newest; each is a number of some 70 bytes, for SECONDS.
MOST_READINGS = 100_000
# What was not acknowledged comes first: after so long, everything is new.
SECONDS = 60.0
# As many records as are handed to the log before the oldest is acknowledged (lane.MOST_IN_FLIGHT), so of what a killed
# process wrote no more was not told to the peer; and as many as a peer may have under way.
MOST_BATCHES = 2_000


class _Taken(NamedTuple):
    """Readings that carry times: columns as in `Batch`."""

    asset_id: str
    names: Names
    values: Sequence[float]
    others: dict[int, Value]
    times_us: Sequence[int]


class Repeats:
    """`saw` what stands on the log at the start, `took` what came; `without` tells what of a batch is new."""

    def __init__(self) -> None:
        self._standing: set[int] = set()
        self._recent: deque[_Taken] = deque(maxlen=MOST_BATCHES)
        self._seen: list[ReadingBatch] = []
        self._ends_seconds = 0.0
        self.count = 0

    def saw(self, record: ReadingBatch) -> None:
        """A record of this adapter's, in any order; remembered from `met` on."""
        if record.device_times_us:
            self._seen.append(record)
        if len(self._seen) > 2 * MOST_BATCHES:
            self._cut()

    def _cut(self) -> None:
        self._seen = sorted(self._seen, key=lambda record: (record.epoch, record.seq))[-MOST_BATCHES:]

    def met(self) -> None:
        """All that stands there was seen: the newest may come again."""
        self._cut()
        while self._seen:
            one = self._seen.pop()
            self._add(_Taken(one.source.asset_id, one.names, one.values, one.others, one.device_times_us))

    def took(self, batch: Batch) -> None:
        """A batch of a peer's; remembered until it matters, without what it is done for."""
        if batch.device_times_us:
            self._recent.append(_Taken(batch.asset_id, batch.names, batch.values, batch.others, batch.device_times_us))

    def lost(self) -> None:
        """The connection is gone: what was taken last may come again, the newest first if not all can be kept."""
        self._ends_seconds = 0.0
        before, self._standing = self._standing, set()
        while self._recent:
            self._add(self._recent.pop())
        # Of a connection that was lost shortly before, as far as there is room.
        self._standing.update(islice(before, max(0, MOST_READINGS - len(self._standing))))

    def _add(self, taken: _Taken) -> None:
        if len(self._standing) >= MOST_READINGS:
            return
        times = taken.times_us
        for index, parameter in enumerate(taken.names.parameters):
            if time_us := times[index] if len(times) > 1 else times[0]:
                value = taken.others.get(index, taken.values[index])
                self._standing.add(_mark(taken.asset_id, parameter, time_us, value))

    def without(self, batch: Batch, now_seconds: float) -> Batch | None:
        """The new part of a batch; the same object where all is, None where nothing is."""
        if not self._standing:
            return batch
        self._ends_seconds = self._ends_seconds or now_seconds + SECONDS
        if now_seconds > self._ends_seconds:
            self._standing.clear()
        new = [index for index in range(len(batch.values)) if not self._stands(batch, index)]
        self.count += len(batch.values) - len(new)
        if len(new) == len(batch.values):
            return batch
        return part(batch, new, part_of_names(batch.names, new)) if new else None

    def _stands(self, batch: Batch, index: int) -> bool:
        times = batch.device_times_us
        time_us = (times[index] if len(times) > 1 else times[0]) if times else 0
        value = batch.others.get(index, batch.values[index])
        return bool(time_us) and _mark(batch.asset_id, batch.names.parameters[index], time_us, value) in self._standing


def _mark(asset_id: str, parameter: str, time_us: int, value: Value) -> int:
    """What a reading is known by: 64 bits, a quarter of the memory of what they are made of."""
    return hash((asset_id, parameter, time_us, value))
