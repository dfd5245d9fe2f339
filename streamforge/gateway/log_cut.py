"""What of given epochs stands in a partition of telemetry.raw before and after a cut, read from the log."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from streamforge.bus.reader import Fetched, Reader
from streamforge.codec import decode
from streamforge.errors import Rejected
from streamforge.gateway.cut_losses import Around, Epoch, Promises
from streamforge.model import ReadingBatch
from streamforge.progress import Partition

TAIL_RECORDS = 4_000
# Some seconds of reading, before the cut and after it: everybody waits for it.
MOST_RECORDS = 200_000


@dataclass(slots=True, kw_only=True)
class _Seen:
    """How far an epoch was met, at which offset, and what was missing at the cuts so far."""

    offset: int
    end: int
    hole: int = 0

    def take(self, offset: int, batch: ReadingBatch, firsts: Sequence[int]) -> None:
        """The next batch of the epoch."""
        if any(self.offset < first <= offset for first in firsts):
            self.hole += max(0, batch.count_before - self.end)
        self.offset, self.end = offset, max(self.end, batch.count_after)


def around(reader: Reader, place: Partition, firsts: Sequence[int], promises: Promises) -> Around:
    """What stands around the offsets that were first given out anew (none: the partition lost nothing).

    Raises NotConnected. Of an adapter that was not met within MOST_RECORDS before the cut nothing is known.
    """
    found = Around()
    cut = min([reader.ends([place])[place], *firsts])
    needed = _needed(promises)
    seen = 0
    for stretch in reader.backwards(place, TAIL_RECORDS, cut):
        for fetched in stretch:
            seen += 1
            _note_end(found, fetched, promises)
        if seen >= MOST_RECORDS or all(any(key <= need for key in found.ends if key[0] == need[0]) for need in needed):
            break
    if firsts and needed:
        _note_holes(found, reader, place, firsts, {(name, one.epoch) for name in promises for one in promises[name]})
    return found


def _needed(promises: Promises) -> list[Epoch]:
    """How far back to look: for each adapter the earliest epoch whose end is not known, or else its newest."""
    found = []
    for adapter_id, epochs in promises.items():
        open_ones = [one.epoch for one in epochs if not one.has_ended]
        if epochs:
            found.append((adapter_id, min(open_ones or [max(one.epoch for one in epochs)])))
    return found


def _batch(fetched: Fetched) -> ReadingBatch | None:
    try:
        batch = decode(fetched.value)
    except Rejected:
        return None
    return batch if isinstance(batch, ReadingBatch) else None


def _note_end(found: Around, fetched: Fetched, promises: Promises) -> None:
    batch = _batch(fetched)
    if batch is not None and batch.source.adapter_id in promises:
        key = (batch.source.adapter_id, batch.epoch)
        found.ends[key] = max(found.ends.get(key, 0), batch.count_after)


def _note_holes(
    found: Around, reader: Reader, place: Partition, firsts: Sequence[int], keys: Collection[Epoch]
) -> None:
    """A hole lies at a cut only: what an adapter dropped at another time is none of it.

    Of another log nothing stands before the cut at 0; where an end was not met otherwise, no count would be exact.
    """
    last: dict[Epoch, _Seen] = {}
    for key in keys:
        end = found.end(key) if min(firsts) else 0
        if end is not None:
            last[key] = _Seen(offset=min(firsts) - 1, end=end)
    for offset, key, batch in _after(reader, place, min(firsts)):
        if key in last:
            last[key].take(offset, batch, firsts)
    for key, seen in last.items():
        if seen.offset >= max(firsts):
            found.holes[key] = seen.hole
        elif seen.offset >= min(firsts):  # it ended at a later cut, and has lost both
            found.ends[key] = seen.end - seen.hole


def _after(reader: Reader, place: Partition, cut: int) -> Iterator[tuple[int, Epoch, ReadingBatch]]:
    """The batches after the cut; none where retention has taken the first of them: a hole could be its work."""
    if reader.starts([place])[place] > cut:
        return
    for fetched in islice(reader.stretch(place, cut, reader.ends([place])[place]), MOST_RECORDS):
        batch = _batch(fetched)
        if batch is not None:
            yield fetched.offset, (batch.source.adapter_id, batch.epoch), batch


def hole_after(reader: Reader, place: Partition, cut: int, key: Epoch, end: int) -> int | None:
    """How many readings the first record of an epoch after a cut leaves out, of those from `end` on; None = none yet.

    Raises NotConnected.
    """
    for _, found, batch in _after(reader, place, cut):
        if found == key:
            return max(0, batch.count_before - end)
    return None
