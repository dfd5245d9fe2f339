"""The share of the log that alarms have to themselves: how full it is, and which of them may be looked at. Pure."""

from collections.abc import Iterable, Mapping

from streamforge.gateway.overflow.log_use import LogLook, PartitionLog
from streamforge.gateway.overflow.plan import Cut, Held, cut_of, needed_from, pieces
from streamforge.gateway.topics import TOPICS
from streamforge.progress import Partition

SHARES = {share.name: share for share in TOPICS if share.is_kept}


def percent(look: LogLook, budget_bytes: int) -> float:
    """What alarms take of their share; 0 where the budget has none for them."""
    share = sum(one.share_bytes(budget_bytes) for one in SHARES.values())
    return 100 * sum(look.topic_bytes(topic) for topic in SHARES) / share if share else 0.0


def candidates(
    partitions: Iterable[PartitionLog], budget_bytes: int, held: Held, starts: Mapping[Partition, int]
) -> tuple[Cut, ...]:
    """The oldest segments, one cut each, without which a topic of alarms fits its share, and which all readers have.

    None of a topic that nobody reads: then nobody has it.
    """
    logs = [one for one in partitions if one.place.topic in SHARES]
    counts = {topic: sum(one.place.topic == topic for one in logs) for topic in SHARES}
    return tuple(
        cut
        for one in logs
        for cut in _candidates(
            one,
            SHARES[one.place.topic].share_bytes(budget_bytes) // counts[one.place.topic],
            held,
            starts.get(one.place, 0),
        )
    )


def _candidates(log: PartitionLog, share_bytes: int, held: Held, start: int) -> list[Cut]:
    needed = needed_from(held, log.place)
    left = pieces(log, start)
    size = sum(piece.size_bytes for piece in left) + (log.segments[-1].size_bytes if log.segments else 0)
    found: list[Cut] = []
    for piece in left:
        if size < share_bytes or needed is None or piece.end > needed:
            break
        size -= piece.size_bytes
        found.append(cut_of(log.place, (piece,), held))
    return found
