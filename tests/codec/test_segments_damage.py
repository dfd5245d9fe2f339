"""Whatever is done to a segment: what was not touched comes back, what was is reported, and it ends."""

import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from streamforge.codec.log_batches import Batch
from streamforge.codec.segments import Damage, DamageKind, valid_end, walk
from tests.codec.segment_maker import Made, segment, value, write

BASE = 1000
LEADER_EPOCH = range(12, 16)
PAGE_BYTES = 4096
Stretch = tuple[int, int]

made_segments = st.builds(
    segment,
    st.just(BASE),
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
    st.lists(st.sampled_from((0, 1, 3)), min_size=1, max_size=3),
)


def split(data: bytes) -> tuple[list[Batch], list[Damage]]:
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), BASE, data)
        found = list(walk(Path(name)))
        end = valid_end(Path(name))
    batches = [one for one in found if isinstance(one, Batch)]
    damage = [one for one in found if isinstance(one, Damage)]
    check(found, end, len(data))
    return batches, damage


def check(found: Sequence[Batch | Damage], end: int, size_bytes: int) -> None:
    """What holds for any file: the pieces cover it, in order, and `valid_end` is where the first damage begins."""
    at, expected, is_over = 0, BASE, False
    for one in found:
        is_over = is_over or (isinstance(one, Damage) and one.kind is not DamageKind.MISSING)
        assert one.position == at
        at += one.size_bytes if isinstance(one, Batch) else one.length_bytes
        if isinstance(one, Batch) and not is_over:
            expected = one.last_offset + 1
    assert at == size_bytes
    assert end == expected


def untouched(made: Made, touched: Iterable[Stretch]) -> Iterator[Stretch]:
    """(base offset, count) of the batches of which no byte was touched."""
    stretches = list(touched)
    for start, end, base, count in made.batches:
        if not any(first < end and start < last for first, last in stretches):
            yield base, count


def assert_all_are_back(made: Made, touched: Iterable[Stretch], batches: Iterable[Batch]) -> None:
    back = {one.base_offset: one for one in batches}
    for base, count in untouched(made, touched):
        records = back[base].records()
        assert [(record.offset, record.value) for record in records] == [
            (offset, value(offset)) for offset in range(base, base + count)
        ]


@settings(max_examples=300, deadline=None)
@given(made=made_segments, data=st.data())
def test_a_flipped_bit(made: Made, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made.data) - 1))
    new = made.data[at] ^ (1 << data.draw(st.integers(0, 7)))
    batches, damage = split(made.data[:at] + bytes([new]) + made.data[at + 1 :])
    assert_all_are_back(made, [(at, at + 1)], batches)
    start = next(start for start, end, *_ in made.batches if start <= at < end)
    assert bool(damage) == (at - start not in LEADER_EPOCH)


@settings(max_examples=200, deadline=None)
@given(made=made_segments, data=st.data())
def test_an_end_anywhere(made: Made, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made.data)))
    batches, damage = split(made.data[:at])
    assert_all_are_back(made, [(at, len(made.data))], batches)
    is_between = at == 0 or at in {end for _, end, *_ in made.batches}
    assert [one.kind for one in damage] == ([] if is_between else [DamageKind.TORN_TAIL])


@settings(max_examples=300, deadline=None)
@given(made=made_segments, data=st.data())
def test_a_stretch_of_zeros_or_of_anything(made: Made, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made.data) - 1))
    new = data.draw(st.one_of(st.integers(1, 600).map(bytes), st.binary(min_size=1, max_size=200)))
    changed = (made.data[:at] + new + made.data[at + len(new) :])[: len(made.data)]
    batches, damage = split(changed)
    assert_all_are_back(made, [(at, at + len(new))], batches)
    harmless = {place for start, *_ in made.batches for place in range(start + 12, start + 16)}
    is_different = any(
        one != other and place not in harmless
        for place, (one, other) in enumerate(zip(made.data, changed, strict=True))
    )
    assert bool(damage) == is_different


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=4000))
def test_bytes_that_are_none_of_kafkas(data: bytes) -> None:
    batches, damage = split(data)
    assert not batches
    assert bool(damage) == bool(data)


def test_three_hundred_flips_and_zeroed_pages_at_once() -> None:
    chance = random.Random(20)
    made = segment(BASE, [chance.randint(1, 40) for _ in range(4000)], (0, 3, 1))
    data = bytearray(made.data)
    touched: list[Stretch] = []
    for _ in range(150):
        at = chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        page = chance.randrange(len(data) // PAGE_BYTES) * PAGE_BYTES
        data[page : page + PAGE_BYTES] = bytes(PAGE_BYTES)
        touched += [(at, at + 1), (page, page + PAGE_BYTES)]
    batches, damage = split(bytes(data))
    assert_all_are_back(made, touched, batches)
    assert len(batches) < len(made.batches)
    assert all(any(first < one.position + one.length_bytes and one.position < last for first, last in touched)
               for one in damage)  # fmt: skip
    total = sum(count for *_, count in made.batches)
    gone = sum((one.next_offset or BASE + total) - one.first_offset for one in damage if one.first_offset is not None)
    assert gone + sum(one.header.record_count for one in batches) == total
