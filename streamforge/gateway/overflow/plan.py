"""What goes first when the log is too large: whole segments, by priority, what every reader has before what one lacks.

Pure. A partition gives from its oldest end only. The newest record of a partition always stays, for it carries
progress; a topic without a priority (Kafka's own) and a critical one are never touched.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streamforge.gateway.overflow.log_use import PartitionLog
from streamforge.gateway.topics import TOPICS, Priority
from streamforge.progress import Partition

PRIORITIES = {share.name: share.priority for share in TOPICS}
ORDER = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)

Held = Mapping[Partition, Mapping[str, int]]
"""Partition -> reader -> the oldest offset that it still needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One partition shall begin at offset `end`. `held`: what its readers still need, for the count.

    `gone_from`: it begins there already, and began at this offset before; there is only to tell.
    """

    place: Partition
    end: int
    size_bytes: int
    held: Mapping[str, int] = field(default_factory=dict)
    gone_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One segment that may go: its records are below `end`."""

    end: int
    size_bytes: int
    written_ns: int


@dataclass(slots=True)
class _Queue:
    """What one partition may give, oldest first, and how much of it was taken."""

    place: Partition
    pieces: Sequence[Piece]
    needed: int | None
    taken: int = 0

    def head(self, *, only_read: bool) -> Piece | None:
        """The next piece, where there is one that may be taken."""
        piece = self.pieces[self.taken] if self.taken < len(self.pieces) else None
        is_barred = piece is not None and only_read and self.needed is not None and piece.end > self.needed
        return None if is_barred else piece


def plan(
    partitions: Iterable[PartitionLog],
    held: Held,
    *,
    free_bytes: int = 0,
    aged: Mapping[Partition, int] | None = None,
    starts: Mapping[Partition, int] | None = None,
) -> tuple[Cut, ...]:
    """The cuts to make.

    `aged` goes where every reader has it: partition -> the end of what is old enough. Then, until `free_bytes` are
    freed, the oldest segments. `starts`: where partitions begin already although the files are still there; what lies
    below counts as freed.
    """
    starts = starts or {}
    logs = [one for one in partitions if is_evictable(one.place.topic)]
    freed = sum(_going(one, starts.get(one.place, 0)) for one in logs)
    queues = [_queue(one, held, starts.get(one.place, 0)) for one in logs]
    for queue in queues:
        limit = (aged or {}).get(queue.place, 0)
        while (piece := queue.head(only_read=True)) is not None and piece.end <= limit:
            queue.taken += 1
            freed += piece.size_bytes
    for only_read in (True, False):
        for priority in ORDER:
            here = [queue for queue in queues if PRIORITIES[queue.place.topic] is priority]
            freed += _take(here, free_bytes - freed, only_read=only_read)
    return tuple(cut_of(queue.place, queue.pieces[: queue.taken], held) for queue in queues if queue.taken)


def _take(queues: Sequence[_Queue], wanted_bytes: int, *, only_read: bool) -> int:
    """Take the segment that was written longest ago, again and again; what that frees.

    The files' times only order what is of one priority: a clock that stepped cannot make it wrong by more than that.
    """
    freed = 0
    while freed < wanted_bytes:
        heads = [(piece, queue) for queue in queues if (piece := queue.head(only_read=only_read)) is not None]
        if not heads:
            break
        piece, queue = min(heads, key=lambda head: (head[0].written_ns, head[1].place))
        queue.taken += 1
        freed += piece.size_bytes
    return freed


def merged(cuts: Iterable[Cut]) -> tuple[Cut, ...]:
    """One cut a partition, the largest."""
    found: dict[Partition, Cut] = {}
    for cut in cuts:
        before = found.get(cut.place, cut)
        found[cut.place] = max(before, cut, key=lambda one: one.end)
    return tuple(found.values())


def history_bytes(partitions: Iterable[PartitionLog], held: Held, starts: Mapping[Partition, int]) -> int:
    """What may go at any time, for every reader has it."""
    queues = [_queue(one, held, starts.get(one.place, 0)) for one in partitions if is_evictable(one.place.topic)]
    return sum(
        piece.size_bytes
        for queue in queues
        for piece in queue.pieces
        if queue.needed is None or piece.end <= queue.needed
    )


def is_evictable(topic: str) -> bool:
    """Whether the disk may ever have it back; what is not in the table is Kafka's own."""
    return PRIORITIES.get(topic, Priority.CRITICAL) is not Priority.CRITICAL


def needed_from(held: Held, place: Partition) -> int | None:
    """From which offset on a reader needs it; None = nobody does."""
    return min(held.get(place, {}).values(), default=None)


def cut_of(place: Partition, taken: Sequence[Piece], held: Held) -> Cut:
    """These, the oldest ones of a partition, as a cut."""
    size = sum(piece.size_bytes for piece in taken)
    return Cut(place=place, end=taken[-1].end, size_bytes=size, held=held.get(place, {}))


def _queue(log: PartitionLog, held: Held, start: int) -> _Queue:
    return _Queue(place=log.place, pieces=pieces(log, start), needed=needed_from(held, log.place))


def pieces(log: PartitionLog, start: int) -> tuple[Piece, ...]:
    """What may go of a partition that begins at `start`: all but the segment that is written to, and one more where
    nothing stands in that.
    """
    segments = log.segments
    last = len(segments) - 1 - (1 if segments and segments[-1].is_empty else 0)
    return tuple(
        Piece(end=segments[at + 1].first, size_bytes=segments[at].size_bytes, written_ns=segments[at].written_ns)
        for at in range(max(0, last))
        if segments[at + 1].first > start
    )


def _going(log: PartitionLog, start: int) -> int:
    """Bytes of segments that are deleted already and whose files the broker has not removed yet."""
    pairs = zip(log.segments, log.segments[1:], strict=False)
    return log.going_bytes + sum(one.size_bytes for one, after in pairs if after.first <= start)
