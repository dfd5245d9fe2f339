"""The ledger of a window: readings since a moment, or of one asset, counted from what the log still holds.

Adapters and sinks count by epoch alone. So in a window `read` is what stands on the log, clean or not validated yet;
`delivered` what of it lies behind a sink's position; what the log no longer holds is not in it, and it always adds up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from streamforge.bus.connection import Connection
from streamforge.bus.reader import Fetched, Reader
from streamforge.codec import decode
from streamforge.errors import Rejected
from streamforge.gateway.ledger.rows import Row
from streamforge.gateway.ledger.scan import PATIENCE_SECONDS, Stretch, stretches
from streamforge.gateway.ledger.take import PACE, Question, remark, say
from streamforge.model import ReadingBatch
from streamforge.progress import AdapterEpoch, Partition, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Readings whose gateway time is `since_us` or later, of `asset`; 0 and "" = all."""

    since_us: int = 0
    asset: str = ""

    def takes(self, batch: ReadingBatch) -> bool:
        """Whether these readings are in it."""
        is_asset = not self.asset or batch.source.asset_id == self.asset
        return is_asset and batch.gateway_time_us >= self.since_us


@dataclass(slots=True, kw_only=True)
class Found:
    """What a window came to. `oldest_us`: gateway time of the oldest reading that the log still holds; 0 = none."""

    rows: tuple[Row, ...] = ()
    assets: set[str] = field(default_factory=set)
    oldest_us: int = 0


@dataclass(slots=True)
class _Part:
    """Figures of one adapter's epoch for one sink."""

    delivered: int = 0
    waiting: int = 0
    rejected: int = 0


def take_window(connection: Connection, question: Question, window: Window) -> Found:
    """Count it: reads the log from the window's beginning. Raises NotConnected when the broker is away."""
    said = say(connection, question)
    reader = Reader(connection, PACE)
    found = Found()
    parts: dict[tuple[str, AdapterEpoch], _Part] = {}
    try:
        for one in stretches(reader):
            positions = {sink: _position(reader, held, one.clean) for sink, held in said.sinks.items()}
            for offset, batch in _batches(reader, one, window, found):
                for sink, position in positions.items():
                    key = (batch.source.adapter_id, batch.epoch)
                    part = parts.setdefault((sink, key), _Part())
                    part.rejected += sum(batch.rejected.values())
                    if offset < position:
                        part.delivered += len(batch)
                    else:
                        part.waiting += len(batch)
    finally:
        reader.close()
    found.rows = tuple(
        _row(sink, key, part, remark(sink, said)) for (sink, key), part in sorted(parts.items(), key=lambda one: one[0])
    )
    return found


def _position(reader: Reader, held: Progress | None, place: Partition) -> int:
    position = held.positions.get(place) if held is not None else None
    return reader.incarnations.clamp(place, position).next_offset if position is not None else 0


def _batches(reader: Reader, one: Stretch, window: Window, found: Found) -> Iterator[tuple[int, ReadingBatch]]:
    """The batches of the window with their offset on the line of clean and raw; what the log holds is noted."""
    raw_first = max(one.validated, one.raw_start)
    for fetched, batch in _read(reader, one.clean, _first(reader, one.clean, one.start, window), one.end):
        _note(found, batch)
        if window.takes(batch):
            yield fetched.offset, batch
    for fetched, batch in _read(reader, one.raw, raw_first, one.raw_end):
        _note(found, batch)
        if window.takes(batch):
            yield one.of_raw(fetched.offset), batch


def _first(reader: Reader, place: Partition, start: int, window: Window) -> int:
    """Where the window may begin: a reading is on the log after its gateway time, as long as no clock stepped back."""
    return max(start, reader.at_time(place, window.since_us)) if window.since_us else start


def _read(reader: Reader, place: Partition, first: int, end: int) -> Iterator[tuple[Fetched, ReadingBatch]]:
    for fetched in reader.stretch(place, first, end, PATIENCE_SECONDS):
        try:
            batch = decode(fetched.value)
        except Rejected:
            continue
        if isinstance(batch, ReadingBatch):
            yield fetched, batch


def _note(found: Found, batch: ReadingBatch) -> None:
    found.assets.add(batch.source.asset_id)
    found.oldest_us = min(found.oldest_us or batch.gateway_time_us, batch.gateway_time_us)


def _row(sink: str, key: AdapterEpoch, part: _Part, note: str) -> Row:
    return Row(
        adapter_id=key[0],
        epoch=key[1],
        sink=sink,
        read=part.delivered + part.waiting + part.rejected,
        delivered=part.delivered,
        waiting=part.waiting,
        rejected=part.rejected,
        note=note,
    )
