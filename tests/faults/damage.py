"""The log at rest, damaged: bits flipped, pages zeroed, old segments cut short or gone; then read through.

One round damages one place in each of several segments of a stopped broker, starts it, lets the real stages and a sink
read, and judges: every batch whose bytes on the disk are what they were is delivered once, every other is delivered as
it was or reported by its offsets, and counted. Rounds alternate between `telemetry.raw`, read by
the validator, and `telemetry.clean`, read by the aggregator and the sink.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from streamforge.codec import segments
from streamforge.codec.log_batches import HEADER, Batch
from tests.faults.damaged_site import CLEAN, RAW, Read, Site, Truth
from tests.faults.seen import Seen

PAGE_BYTES = 4096
FAULTS = {
    "bit flip in an old segment": 6,
    "bit flip in a batch header": 4,
    "zeroed page in an old segment": 4,
    "old segment cut short": 1,
    "old segment missing": 1,
}
MOST_A_ROUND = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One fault in one segment, whose offsets reach from `first` up to, not including, `next_offset`.

    `intact`: the offsets of those batches whose bytes it left alone.
    """

    fault: str
    first: int
    next_offset: int
    intact: frozenset[int]


def play(seed: str, count: int, directory: Path, *, first: int = 0) -> Iterator[Seen]:
    """So many faults, some a round, from the number `first` on (a multiple of a round, to go on where it stopped).

    `directory` is empty and stays with what the last round left. A seed repeats what is
    drawn, not where the producer closes its batches: that is the machine's.
    """
    with Site(directory, random.Random(f"{seed}:plant")) as site:
        number = first
        while number < first + count:
            for seen in play_round(site, seed, number, min(MOST_A_ROUND, first + count - number)):
                yield seen
                number += 1


def play_round(site: Site, seed: str, number: int, count: int) -> list[Seen]:
    """One round: at most so many faults, for a log has so many segments, and what each did."""
    draw = random.Random(f"{seed}:{number}")
    topic = (RAW, CLEAN)[number // MOST_A_ROUND % 2]
    site.restore(topic)
    folder = site.partition(topic)
    truth = site.truth(topic)
    places = [damage(path, draw, fault) for path, fault in _drawn(folder, draw, count)]
    read = site.read(topic)
    return [
        _judge(place, truth, read, seed=seed, number=number + index, is_first=index == 0)
        for index, place in enumerate(places)
    ]


def _drawn(folder: Path, draw: random.Random, count: int) -> list[tuple[Path, str]]:
    paths = segments.segments(folder)
    chosen = sorted(draw.sample(range(len(paths)), min(count, len(paths))))
    faults = draw.choices(list(FAULTS), list(FAULTS.values()), k=len(chosen))
    # Without its first segment a log simply begins later, and without its newest it ends earlier: other faults.
    is_whole = {0, len(paths) - 1}
    return [
        (paths[index], "zeroed page in an old segment" if index in is_whole and fault.startswith("old") else fault)
        for index, fault in zip(chosen, faults, strict=True)
    ]


def damage(path: Path, draw: random.Random, fault: str) -> Place:
    """Do it, and say which offsets the segment held and still holds."""
    batches = [found for found in segments.walk_segment(path) if isinstance(found, Batch)]
    before = path.read_bytes()
    after = _damaged(before, batches, draw, fault)
    if fault == "old segment missing":
        path.unlink()
    else:
        path.write_bytes(after)
    return Place(
        fault=fault,
        first=batches[0].base_offset,
        next_offset=batches[-1].last_offset + 1,
        intact=frozenset(
            offset
            for one in batches
            for offset in range(one.base_offset, one.last_offset + 1)
            if before[one.position : one.position + one.size_bytes]
            == after[one.position : one.position + one.size_bytes]
        ),
    )


def _damaged(before: bytes, batches: list[Batch], draw: random.Random, fault: str) -> bytes:
    data = bytearray(before)
    if fault == "old segment missing":
        data.clear()
    elif fault == "old segment cut short":
        data = data[: draw.randrange(len(data))]
    elif fault == "zeroed page in an old segment":
        at = draw.randrange(0, len(data), PAGE_BYTES)
        data[at : at + PAGE_BYTES] = bytes(len(data[at : at + PAGE_BYTES]))
    elif fault == "bit flip in a batch header":
        data[draw.choice(batches).position + draw.randrange(HEADER.size)] ^= 1 << draw.randrange(8)
    else:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def _judge(place: Place, truth: Truth, read: Read, *, seed: str, number: int, is_first: bool) -> Seen:
    """What one fault did, by the offsets of its segment; what concerns the whole round goes to its first fault."""
    inside = range(place.first, place.next_offset)
    gone = [offset for offset in inside if not read.delivered[truth.keys[offset]]]
    unreported = [offset for offset in gone if offset not in read.reported]
    skipped = [offset for offset in gone if offset in place.intact]
    slandered = [offset for offset in inside if offset in read.reported and offset not in gone]
    doubled = sum(read.delivered[truth.keys[offset]] > 1 for offset in inside)
    breaches = [
        text
        for is_so, text in (
            (read.is_stuck, "a reader did not come to the end of the log"),
            (skipped, f"{len(skipped)} intact records were skipped: {_spans(skipped)}"),
            (unreported, f"{len(unreported)} lost records were not reported: {_spans(unreported)}"),
            (slandered, f"{len(slandered)} delivered records were reported as lost: {_spans(slandered)}"),
            (doubled, f"{doubled} records were delivered twice"),
        )
        if is_so
    ]
    return Seen(
        fault=place.fault,
        seed=seed,
        number=number,
        acknowledged=len(inside),
        lost=len(gone),
        doubled=doubled,
        is_reported=not unreported,
        recovery_seconds=read.seconds,
        figures={
            "intact_records_skipped": float(len(skipped)),
            "damaged_records": float(len(inside) - len(place.intact)),
        },
        breaches=breaches + (read.miscounts if is_first else []),
    )


def _spans(offsets: list[int]) -> str:
    """Runs of numbers, for people."""
    starts = [*offsets[:1], *(b for a, b in pairwise(offsets) if b != a + 1)]
    ends = [*(a for a, b in pairwise(offsets) if b != a + 1), *offsets[-1:]]
    return ", ".join(f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
