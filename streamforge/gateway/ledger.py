"""Accounts for every reading: per adapter, epoch and sink, read = delivered + waiting + rejected + evicted.

Each figure is counted by itself, so that a bug shows as an imbalance: `read` by the adapter from acknowledgements,
`delivered` by the sink from what it wrote, `waiting` record by record from the log, `rejected` by the validator's own
note in each clean batch. The cut is the adapter's count: what it read later is left out everywhere. What the adapter
had noted of an epoch that ended with a power cut, and that no batch on the log or in the sink reaches, is evicted.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from streamforge.bus.connection import Connection
from streamforge.bus.reader import Fetched, Pace, Reader
from streamforge.codec import decode
from streamforge.errors import NotConnected, Rejected
from streamforge.health import RUN_DIRECTORY, ask
from streamforge.incarnations import Incarnations
from streamforge.model import ReadingBatch, Topic
from streamforge.progress import AdapterEpoch, Counted, Partition, Progress, is_after_hole
from streamforge.transforms.last_mark import last_mark

RAW, CLEAN = Topic.TELEMETRY_RAW.value, Topic.TELEMETRY_CLEAN.value
SETTLE_SECONDS = 3.0
PACE = Pace(least_bytes=1, wait_ms=100, most_records=2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One adapter's epoch as one sink stands to it; all figures are readings."""

    adapter_id: str
    epoch: int
    sink: str
    read: int
    delivered: int = 0
    waiting: int = 0
    rejected: int = 0
    evicted: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every reading is accounted for, once."""
        return self.read == self.delivered + self.waiting + self.rejected + self.evicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All rows; the totals are of the sink that is furthest behind."""

    rows: tuple[Row, ...] = ()

    @property
    def balanced(self) -> bool:
        """Whether every row is, and there is one."""
        return bool(self.rows) and all(row.balanced for row in self.rows)

    def totals(self) -> dict[str, int]:
        """Sums by figure over the rows of the sink with most readings waiting; zeros without a row."""
        sinks = sorted({row.sink for row in self.rows})
        sums = [_sum([row for row in self.rows if row.sink == sink]) for sink in sinks]
        return max(sums, key=lambda figures: figures["waiting"], default=_sum([]))

    def to_json(self) -> str:
        """One JSON object: totals, balanced, rows."""
        rows = [{**asdict(row), "balanced": row.balanced} for row in self.rows]
        return json.dumps({**self.totals(), "balanced": self.balanced, "rows": rows})


FIGURES = ("read", "delivered", "waiting", "rejected", "evicted")


def _sum(rows: list[Row]) -> dict[str, int]:
    return {figure: sum(getattr(row, figure) for row in rows) for figure in FIGURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterCount:
    """What an adapter says of one of its epochs."""

    read: int
    dropped: int
    incarnation: int


@dataclass(slots=True)
class _Waiting:
    """What one sink, by its `progress`, has before it, what the validator took out of that, and what is gone.

    `ends`: up to which of its own numbers an epoch stands on the log. `met`: the epochs seen since the last hole; None
    before the first one.
    """

    progress: Progress
    readings: Counter[AdapterEpoch] = field(default_factory=Counter)
    rejected: Counter[AdapterEpoch] = field(default_factory=Counter)
    evicted: Counter[AdapterEpoch] = field(default_factory=Counter)
    ends: Counter[AdapterEpoch] = field(default_factory=Counter)
    met: set[AdapterEpoch] | None = None

    def hole(self) -> None:
        """The log, or who wrote it, missed something before what is added next."""
        self.met = set()

    def add(self, key: AdapterEpoch, batch: ReadingBatch) -> None:
        """One batch more that waits."""
        self.add_raw(key, batch)
        self.rejected[key] += sum(batch.rejected.values())

    def is_after_hole(self, key: AdapterEpoch) -> bool:
        """Whether something was lost since this epoch was last seen: what it misses next, or at its end, is gone."""
        if self.met is not None and key not in self.met:
            return True
        last_offset = self.counted(key).last_offset
        return not self.ends[key] and any(last_offset < hole for hole in self.progress.holes.values())

    def counted(self, key: AdapterEpoch) -> Counted:
        """What the sink has dealt with of this epoch."""
        return self.progress.counts.get(key, Counted())

    def add_raw(self, key: AdapterEpoch, batch: ReadingBatch) -> None:
        """One batch more that the validator has not seen yet, or its clean form."""
        if self.is_after_hole(key):
            self.evicted[key] += max(0, batch.count_before - max(self.ends[key], self.counted(key).next_count))
        if self.met is not None:
            self.met.add(key)
        self.readings[key] += len(batch)
        self.ends[key] = max(self.ends[key], batch.count_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A batch of the log. `hole_at`: where something was last found missing since the batch before; -1 = nowhere."""

    offset: int
    hole_at: int
    key: AdapterEpoch
    batch: ReadingBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """What became of the log: whether its beginning is gone, and which epochs a cut ended."""

    has_evicted: bool
    cut: frozenset[AdapterEpoch]


def take(connection: Connection, directory: Path = RUN_DIRECTORY) -> Ledger:
    """Ask sinks, adapters and log, in this order. Raises NotConnected when the broker is away."""
    sinks = _sinks(directory)
    incarnations = connection.incarnations()
    adapters = _adapters_not_behind(sinks, directory, incarnations)
    cut = _cut(adapters, incarnations)
    reader = Reader(connection, PACE)
    try:
        starts = reader.starts(reader.partitions(CLEAN))
        waiting = _scan(reader, sinks, adapters)
    finally:
        reader.close()
    log = _Log(has_evicted=any(start > 0 for start in starts.values()), cut=cut)
    return Ledger(
        rows=tuple(
            _row(key, count, sink, waiting[sink], log)
            for sink in sorted(sinks)
            for key, count in sorted(adapters.items())
            if count.read
        )
    )


def _row(key: AdapterEpoch, count: AdapterCount, sink: str, waiting: _Waiting, log: _Log) -> Row:
    counted = waiting.counted(key)
    was_gone = log.has_evicted and _is_before_all(key, {*waiting.progress.counts, *waiting.readings})
    is_over = key in log.cut or (waiting.is_after_hole(key) and _is_followed(key, waiting))
    lost = max(0, count.read - max(counted.next_count, waiting.ends[key])) if is_over else 0
    return Row(
        adapter_id=key[0],
        epoch=key[1],
        sink=sink,
        read=count.read,
        delivered=counted.delivered,
        waiting=waiting.readings[key],
        rejected=counted.rejected + waiting.rejected[key],
        evicted=count.read if was_gone else counted.evicted + waiting.evicted[key] + count.dropped + lost,
    )


def _is_before_all(key: AdapterEpoch, known: set[AdapterEpoch]) -> bool:
    """Whether the log had lost this epoch before the sink came: it knows only later ones of the adapter."""
    epochs = [epoch for adapter, epoch in known if adapter == key[0]]
    return bool(epochs) and key[1] < min(epochs)


def _is_followed(key: AdapterEpoch, waiting: _Waiting) -> bool:
    """Whether a later epoch of the same adapter was seen: of this one nothing more will come."""
    known = {*waiting.progress.counts, *waiting.readings}
    return any(adapter == key[0] and epoch > key[1] for adapter, epoch in known)


def _details(directory: Path, pattern: str) -> Iterator[tuple[str, dict[str, object]]]:
    for path in sorted(directory.glob(pattern)):
        try:
            answer = json.loads(ask(path))
        except (OSError, ValueError):
            continue
        yield answer["unit"], answer["details"]


def _sinks(directory: Path) -> dict[str, Progress]:
    """The stored progress of every sink of clean readings that has reached its target, by unit name."""
    found = {}
    for unit, details in _details(directory, "streamforge-sink-*.sock"):
        if CLEAN in str(details["topics"]) and details["progress"]:
            found[unit.removeprefix("streamforge-sink-")] = Progress.from_json(str(details["progress"]))
    return found


def _adapters(directory: Path) -> dict[AdapterEpoch, AdapterCount]:
    found = {}
    for _, details in _details(directory, "streamforge-adapter-*.sock"):
        rows = details["ledger"]
        assert isinstance(rows, list)  # noqa: S101 - health.py's own shape
        for row in rows:
            found[str(details["adapter_id"]), int(row["epoch"])] = AdapterCount(
                read=row["read"], dropped=row["dropped"], incarnation=row["incarnation"]
            )
    return found


def _adapters_not_behind(
    sinks: Mapping[str, Progress], directory: Path, incarnations: Incarnations
) -> dict[AdapterEpoch, AdapterCount]:
    """The adapters' counts, asked until none is behind what a sink has already delivered (acknowledgements lag).

    Of an epoch that a cut ended nobody can be asked any more: what a sink has seen of it was read.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        adapters = _adapters(directory)
        seen = _seen(sinks.values(), adapters.keys())
        for key in _cut(adapters, incarnations) & seen.keys():
            adapters[key] = replace(adapters[key], read=max(adapters[key].read, seen[key]))
        behind = any(count > adapters[key].read for key, count in seen.items())
        if not behind or time.monotonic() > deadline:
            return adapters
        time.sleep(0.1)


def _seen(sinks: Iterable[Progress], epochs: AbstractSet[AdapterEpoch]) -> dict[AdapterEpoch, int]:
    """Up to which of its numbers the sink that is furthest has dealt with each epoch."""
    found: dict[AdapterEpoch, int] = {}
    for progress in sinks:
        for key in progress.counts.keys() & epochs:
            found[key] = max(progress.counts[key].next_count, found.get(key, 0))
    return found


def _cut(adapters: Mapping[AdapterEpoch, AdapterCount], incarnations: Incarnations) -> frozenset[AdapterEpoch]:
    """The epochs that a cut ended: of each adapter the last one in each incarnation that is over."""
    last: dict[tuple[str, int], int] = {}
    for (adapter, epoch), count in adapters.items():
        if 0 < count.incarnation < incarnations.current:
            last[adapter, count.incarnation] = max(epoch, last.get((adapter, count.incarnation), epoch))
    return frozenset((adapter, epoch) for (adapter, _), epoch in last.items())


def _scan(
    reader: Reader, sinks: Mapping[str, Progress], adapters: Mapping[AdapterEpoch, AdapterCount]
) -> dict[str, _Waiting]:
    waiting = {sink: _Waiting(progress=progress) for sink, progress in sinks.items()}
    for place in reader.partitions(CLEAN):
        start = reader.starts([place])[place]
        end, validated = _validated(reader, Partition(RAW, place.number), place)
        first = {sink: _held(reader, progress, place) for sink, progress in sinks.items()}
        since = max(start, min(first.values(), default=end))
        for sink in (sink for sink, position in first.items() if position < start):
            waiting[sink].hole()
        for found in _batches(reader, place, since, end, adapters):
            for sink, position in first.items():
                if found.hole_at >= position:
                    waiting[sink].hole()
                if found.offset >= position:
                    waiting[sink].add(found.key, found.batch)
        _scan_raw(reader, Partition(RAW, place.number), validated, waiting.values(), adapters)
    return waiting


def _scan_raw(
    reader: Reader,
    raw: Partition,
    validated: int,
    waiting: Iterable[_Waiting],
    adapters: Mapping[AdapterEpoch, AdapterCount],
) -> None:
    """What the validator has still before it waits at every sink."""
    for found in _batches(reader, raw, validated, reader.ends([raw])[raw], adapters):
        for held in waiting:
            if found.hole_at >= 0:
                held.hole()
            held.add_raw(found.key, found.batch)


def _held(reader: Reader, progress: Progress, place: Partition) -> int:
    held = progress.positions.get(place)
    return reader.incarnations.clamp(place, held).next_offset if held is not None else 0


def _validated(reader: Reader, raw: Partition, clean: Partition) -> tuple[int, int]:
    """The end of the clean partition, and the raw offset up to which its records stand there."""
    mark, end = last_mark(reader, clean), reader.ends([clean])[clean]
    if mark is None:
        return end, reader.starts([raw])[raw]
    return end, reader.incarnations.clamp(raw, mark.position).next_offset


def _batches(
    reader: Reader, place: Partition, first: int, end: int, adapters: Mapping[AdapterEpoch, AdapterCount]
) -> Iterator[_Found]:
    """The batches of a stretch that their adapter had counted as read when it was asked."""
    reader.assign({place: first})
    hole_at = -1
    while reader.next_offsets()[place] < end:
        polled = reader.poll(2.0)
        if not polled and reader.away:
            raise NotConnected(reader.away)
        for fetched in polled:
            if fetched.offset >= end:
                return
            if fetched.hole is not None or is_after_hole(fetched.headers):
                hole_at = fetched.offset
            batch = _counted(fetched, adapters)
            if batch is not None:
                yield _Found(
                    offset=fetched.offset,
                    hole_at=hole_at,
                    key=(batch.source.adapter_id, batch.epoch),
                    batch=batch,
                )
                hole_at = -1


def _counted(fetched: Fetched, adapters: Mapping[AdapterEpoch, AdapterCount]) -> ReadingBatch | None:
    """The batch in this record, where its adapter had counted it."""
    try:
        batch = decode(fetched.value)
    except Rejected:
        return None
    if not isinstance(batch, ReadingBatch):
        return None
    count = adapters.get((batch.source.adapter_id, batch.epoch))
    return batch if count is not None and batch.count_before < count.read else None
