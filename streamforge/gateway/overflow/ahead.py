"""Looks ahead of the topics' own retention, so that it does not take what a reader lacks. Pure.

Kafka's retention asks nobody: it takes the oldest segment of a topic that has filled its share. What everybody has may
go like that. A topic that is about to lose what a reader lacks borrows instead: from topics that do not use all of
their share, or fill it with what everybody has, the least important first. A loan moves bytes between the
`retention.bytes` of two topics; their sum stays the one with which the budget was proven. Where nobody has anything
left to lend, the oldest of what the reader lacks goes, before retention takes it, so that it is said first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streamforge.gateway.overflow.log_use import PartitionLog
from streamforge.gateway.overflow.plan import ORDER, Cut, Held, Piece, cut_of, needed_from, pieces
from streamforge.gateway.topics import TOPICS, Priority, TopicShare, smallest_budget_bytes
from streamforge.progress import Partition

# How many segments before retention would act: at the fastest a segment fills in some seconds, and to look, to say it
# and to delete takes as long.
LEAD_SEGMENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the table of topics is reckoned with: the log's bytes, and the partitions of each topic."""

    size_bytes: int
    partitions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What to do: cuts to make first, then the `retention.bytes` of each topic (of one partition)."""

    cuts: tuple[Cut, ...] = ()
    retention: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Account:
    """One topic: its retention by the table, what its readers still need of it, and what it has with its loans."""

    share: TopicShare
    table_bytes: int
    segment_bytes: int
    needed_bytes: int
    granted_bytes: int

    @property
    def lead_bytes(self) -> int:
        """A small share has no room for two segments."""
        return min(LEAD_SEGMENTS * self.segment_bytes, self.table_bytes // 2)

    @property
    def step_bytes(self) -> int:
        """Loans come in quarters of a share, so that there are few of them."""
        return max(self.segment_bytes, self.table_bytes // 4)

    @property
    def lack_bytes(self) -> int:
        """What it must borrow."""
        if self.needed_bytes <= self.segment_bytes:
            return 0
        lack = self.needed_bytes + self.lead_bytes - self.table_bytes
        wanted = self.table_bytes + max(0, -(-lack // self.step_bytes)) * self.step_bytes
        return max(0, wanted - self.granted_bytes)

    @property
    def spare_bytes(self) -> int:
        """What it can lend, in whole segments."""
        spare = self.granted_bytes - self.needed_bytes - self.lead_bytes
        return max(0, spare // self.segment_bytes) * self.segment_bytes


def table_retention(budget: Budget) -> dict[str, int]:
    """Topic -> `retention.bytes` without any loan, of all that may lend and borrow."""
    return {share.name: share.retention_bytes(budget.size_bytes, budget.partitions) for share in _evictable()}


def look_ahead(
    partitions: Iterable[PartitionLog], held: Held, budget: Budget, starts: Mapping[Partition, int]
) -> Outlook:
    """What keeps retention from what a reader lacks. `starts`: where partitions begin although the files are there.

    Nothing where the log is not as the table would have it: a budget that is too small, another number of partitions.
    """
    logs = [one for one in partitions if one.place.topic in {share.name for share in _evictable()}]
    if budget.size_bytes < smallest_budget_bytes(budget.partitions) or not _is_even(logs, budget.partitions):
        return Outlook()
    accounts = {share.name: _account(share, budget, logs, held, starts) for share in _evictable()}
    _lend(accounts)
    cuts = [_cut(one, accounts[one.place.topic], held, starts.get(one.place, 0)) for one in logs]
    return Outlook(
        cuts=tuple(cut for cut in cuts if cut is not None),
        retention={topic: account.granted_bytes for topic, account in accounts.items()},
    )


def _evictable() -> list[TopicShare]:
    return [share for share in TOPICS if share.priority is not Priority.CRITICAL]


def _is_even(logs: Sequence[PartitionLog], partitions: int) -> bool:
    """Bytes move between topics of equally many partitions only."""
    counts = {share.name: sum(one.place.topic == share.name for one in logs) for share in _evictable()}
    return set(counts.values()) == {partitions}


def _account(
    share: TopicShare, budget: Budget, logs: Sequence[PartitionLog], held: Held, starts: Mapping[Partition, int]
) -> _Account:
    table = share.retention_bytes(budget.size_bytes, budget.partitions)
    segment = share.segment_bytes(budget.size_bytes, budget.partitions)
    lacking = [
        sum(piece.size_bytes for piece in _lacking(one, held, starts.get(one.place, 0)))
        for one in logs
        if one.place.topic == share.name
    ]
    # The segment that is written to counts as full, or the account would change with every record.
    needed = max(lacking, default=0) + segment
    return _Account(share=share, table_bytes=table, segment_bytes=segment, needed_bytes=needed, granted_bytes=table)


def _lacking(log: PartitionLog, held: Held, start: int) -> list[Piece]:
    """The closed segments of which a reader lacks something."""
    needed = needed_from(held, log.place)
    return [] if needed is None else [piece for piece in pieces(log, start) if piece.end > needed]


def _lend(accounts: Mapping[str, _Account]) -> None:
    """The most important borrows first, and the least important lends first."""
    by_priority = [[one for one in accounts.values() if one.share.priority is priority] for priority in ORDER]
    lenders = [one for group in by_priority for one in group]
    for borrower in [one for group in reversed(by_priority) for one in group]:
        for lender in lenders:
            moved = min(borrower.lack_bytes, lender.spare_bytes) if lender is not borrower else 0
            borrower.granted_bytes += moved
            lender.granted_bytes -= moved


def _cut(log: PartitionLog, account: _Account, held: Held, start: int) -> Cut | None:
    """What a lender must give up, and of what a reader lacks as much as retention would soon take."""
    all_pieces = pieces(log, start)
    needed = needed_from(held, log.place)
    rest = log.segments[-1].size_bytes if log.segments else 0
    size = rest + sum(piece.size_bytes for piece in all_pieces)
    is_lender = account.granted_bytes < account.table_bytes
    taken = 0
    for at, piece in enumerate(all_pieces):
        is_lacking = needed is not None and piece.end > needed
        limit = account.granted_bytes + piece.size_bytes - (account.lead_bytes if is_lacking else 0)
        is_due = size > limit if is_lacking else is_lender and size >= limit
        if is_due:
            taken = at + 1
        elif is_lacking or is_lender:
            break
        size -= piece.size_bytes  # in a topic that lends nothing, what everybody has goes without being told
    return cut_of(log.place, all_pieces[:taken], held) if taken else None
