"""Which records of a batch a target does not hold yet, told by its progress."""

from collections.abc import Sequence

from streamforge.errors import Rejected
from streamforge.progress import Partition, Progress, Stored


def fresh(batch: Sequence[Stored], held: Progress, progress: Progress) -> Sequence[Stored]:
    """The records beyond `held`. An offset means something only in the log that `progress` continues."""
    least: dict[Partition, int] = {}
    for partition, at in held.positions.items():
        new = progress.positions.get(partition)
        if new and (new.incarnation, new.topic_id) == (at.incarnation, at.topic_id):
            least[partition] = at.next_offset
    if all(stored.offset >= least.get(stored.partition, 0) for stored in batch):
        return batch
    return [stored for stored in batch if stored.offset >= least.get(stored.partition, 0)]


def in_batch(error: Rejected, new: Sequence[Stored], batch: Sequence[Stored]) -> Rejected:
    """The same refusal, its places counted in the batch that `fresh` made `new` of."""
    places = {id(stored): place for place, stored in enumerate(batch)}
    return Rejected(tuple(places[id(new[index])] for index in error.indices), error.reason)
