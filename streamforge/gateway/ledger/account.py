"""From what was counted to the rows; pure.

What is evicted is counted where it can be: the log had a hole, a cut ended the epoch, the adapter had to drop. Two of
these may be the same readings (what the adapter dropped never stood in the stretch that the log lost), and numbers of
other partitions may lie within a hole. So the evidence gives bounds, mostly equal, and only within them what lacks is
evicted: a reading that nobody accounts for is never explained away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streamforge.counting import Counting
from streamforge.gateway.ledger.rows import Row
from streamforge.gateway.ledger.units import CLEAN, AdapterCount
from streamforge.progress import AdapterEpoch, Counted, CountKey, Partition, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one sink stands to the log: what its target holds `now`, and what it will have once all of that is through.

    Without `is_counted` too much waits to be counted record by record, or nothing is known of the target.
    """

    now: Progress
    then: Counting
    note: str = ""
    is_counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is known of the log: its partitions, and which epochs a cut ended."""

    partitions: int
    cut: frozenset[AdapterEpoch] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Epoch:
    key: AdapterEpoch
    read: int
    dropped: int


def rows(adapters: Mapping[AdapterEpoch, AdapterCount], standings: Mapping[str, Standing], log: Log) -> tuple[Row, ...]:
    """A row for each sink and each epoch in which something was read."""
    epochs = _epochs(adapters, standings.values())
    return tuple(_row(epoch, sink, standing, log) for sink, standing in sorted(standings.items()) for epoch in epochs)


def _epochs(adapters: Mapping[AdapterEpoch, AdapterCount], standings: Iterable[Standing]) -> list[_Epoch]:
    """In order. Of one whose adapter cannot be asked any more, what log and sinks have seen was read as well."""
    ends: dict[AdapterEpoch, int] = {}
    for standing in standings:
        for one, counted in standing.then.counts.items():
            ends[one[:2]] = max(counted.next_count, ends.get(one[:2], 0))
    found = [
        _Epoch(key=key, read=max(count.read, ends.get(key, 0)) if count.is_least else count.read, dropped=count.dropped)
        for key, count in sorted(adapters.items())
    ]
    return [epoch for epoch in found if epoch.read]


def _row(epoch: _Epoch, sink: str, standing: Standing, log: Log) -> Row:
    now = _sum(counted for one, counted in standing.now.counts.items() if one[:2] == epoch.key)
    then = _sum(counted for one, counted in standing.then.counts.items() if one[:2] == epoch.key)
    evicted = now.evicted + epoch.dropped
    waiting = then.delivered - now.delivered
    if standing.is_counted:
        least, most = _bounds(epoch, then, standing.then, log)
        evicted = min(max(epoch.read - then.delivered - then.rejected, least), most)
    else:
        waiting = max(0, epoch.read - now.delivered - now.rejected - evicted)
    return Row(
        adapter_id=epoch.key[0],
        epoch=epoch.key[1],
        sink=sink,
        read=epoch.read,
        delivered=now.delivered,
        waiting=waiting,
        rejected=then.rejected,
        evicted=evicted,
        note=standing.note,
        is_judged=standing.is_counted,
    )


def _bounds(epoch: _Epoch, then: Counted, counting: Counting, log: Log) -> tuple[int, int]:
    """How many readings of the epoch are evicted, at least and at most, by what is known of adapter and log."""
    numbers = range(log.partitions)
    has_open_end = epoch.key in log.cut or any(
        counting.has_lost_after(CountKey(*epoch.key, number), Partition(CLEAN, number)) for number in numbers
    )
    tail = max(0, epoch.read - then.next_count) if has_open_end else 0
    if log.partitions == 1:
        return max(then.evicted + tail, epoch.dropped), then.evicted + tail + epoch.dropped
    return epoch.dropped, min(epoch.read, then.evicted + epoch.dropped + (epoch.read if has_open_end else 0))


def _sum(counts: Iterable[Counted]) -> Counted:
    """Over the partitions; `next_count` is the furthest."""
    delivered = rejected = evicted = next_count = 0
    for one in counts:
        delivered += one.delivered
        rejected += one.rejected
        evicted += one.evicted
        next_count = max(next_count, one.next_count)
    return Counted(delivered=delivered, rejected=rejected, evicted=evicted, next_count=next_count)
