"""What is found beyond damage, against a model of how a broker finds an offset in its segments."""

import struct
from dataclasses import dataclass, field
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforge.bus import salvage
from streamforge.bus.salvage import intact
from tests.codec import segment_maker as maker

INDEX_EVERY = 3


@dataclass(slots=True)
class ModelBroker:
    """Segments of batches; an index entry for the first of every few. It looks from an entry onwards, header by header.

    As Kafka's `FileLogInputStream`: a length that cannot be ends the look with an error, one beyond the file ends it as
    if the file ended there, and the next segment answers.
    """

    made: list[maker.Made]
    files: list[bytearray] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self.files = [bytearray(one.data) for one in self.made]

    @property
    def end(self) -> int:
        _, _, base, count = self.made[-1].batches[-1]
        return base + count

    def fetch(self, offset: int, most_bytes: int) -> bytes:
        self.requests += 1
        bases = [one.batches[0][2] for one in self.made]
        number = max(index for index, base in enumerate(bases) if base <= offset)
        while number < len(self.files):
            at = self._position(number, offset)
            if at == -1:
                return b""
            if at is not None:
                (length,) = struct.unpack_from(">i", self.files[number], at + 8)
                return bytes(self.files[number][at : at + max(most_bytes, length + 12)])
            number += 1
        return b""

    def _position(self, number: int, offset: int) -> int | None:
        """By base offsets: the batch of that one, else the one before the first that is later, if it reaches so far."""
        data = self.files[number]
        entries = [start for start, _, base, _ in self.made[number].batches[::INDEX_EVERY] if base <= offset]
        at = max(entries, default=0)
        before: int | None = None
        while at + 61 <= len(data):
            base, length = struct.unpack_from(">qi", data, at)
            (delta,) = struct.unpack_from(">i", data, at + 23)
            if length < 14:
                return -1
            if at + 12 + length > len(data):
                break
            if base == offset:
                return at
            if base > offset:
                return at if before is None else before
            before = at if base + delta >= offset else None
            at += 12 + length
        return before

    def is_whole(self, number: int, index: int) -> bool:
        start, end, _, _ = self.made[number].batches[index]
        return self.files[number][start:end] == self.made[number].data[start:end]

    def may_be_hidden(self, number: int, index: int) -> bool:
        """No batch up to it can be reached from an index entry without passing damage: no request leads there."""
        return not any(
            all(self.is_whole(number, before) for before in range(reached - reached % INDEX_EVERY, reached + 1))
            for reached in range(index + 1)
        )


def logs() -> st.SearchStrategy[ModelBroker]:
    counts = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=12), min_size=1, max_size=3)
    return counts.map(
        lambda segments: ModelBroker([
            maker.segment(base, one, codecs=(0, 3))
            for base, one in zip(accumulate([0, *map(sum, segments)]), segments, strict=False)
        ])
    )  # fmt: skip


def read_through(broker: ModelBroker, *, is_boundary: bool = False) -> dict[int, int]:
    """Every batch found, by base offset, as a reader goes on after each answer."""
    found: dict[int, int] = {}
    expected = 0
    while expected < broker.end:
        pieces = intact(broker.fetch, expected, 0, broker.end, is_boundary=is_boundary)
        if not pieces:
            break
        for piece in pieces:
            assert piece.batch.last_offset >= expected, "nothing twice, nothing backwards"
            found[piece.batch.base_offset] = piece.batch.last_offset
            expected = piece.batch.last_offset + 1
    return found


@settings(max_examples=100, deadline=None)
@given(broker=logs(), data=st.data())
def test_every_intact_batch_that_a_request_can_lead_to_is_found_whatever_is_damaged(
    broker: ModelBroker, data: st.DataObject
) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(broker.files) - 1))
        file = broker.files[number]
        start = data.draw(st.integers(0, len(file) - 1))
        if data.draw(st.booleans()):  # as likely as any other byte together: the fields that lead from batch to batch
            start = data.draw(st.sampled_from(broker.made[number].batches))[0] + data.draw(st.integers(0, 26))
        if data.draw(st.booleans()):
            file[start] ^= 1 << data.draw(st.integers(0, 7))
        else:
            stop = min(len(file), start + data.draw(st.integers(1, 300)))
            file[start:stop] = bytes(stop - start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(salvage, "SIZES_BYTES", (data.draw(st.sampled_from([200, 2_000])), 2_000, 100_000))
        found = read_through(broker)
    for number, made in enumerate(broker.made):
        for index, (_, _, base, count) in enumerate(made.batches):
            if broker.is_whole(number, index) and not broker.may_be_hidden(number, index):
                assert found.get(base) == base + count - 1
    assert broker.requests <= 200 * (1 + len(found))


def test_a_log_without_damage_is_given_as_it_stands() -> None:
    broker = ModelBroker([maker.segment(0, [2, 1, 3])])
    assert [(one.batch.base_offset, one.is_after_damage) for one in intact(broker.fetch, 0, 0, 6)] == [
        (0, False),
        (2, False),
        (3, False),
    ]


def test_a_batch_whose_base_offset_was_made_that_of_another_does_not_take_its_place() -> None:
    broker = ModelBroker([maker.segment(0, [1, 1, 1]), maker.segment(3, [1, 1, 1])])
    broker.files[0][broker.made[0].batches[2][0] + 7] ^= 1  # 2 becomes 3, at the end of the segment
    assert [(one.batch.base_offset, one.is_after_damage) for one in intact(broker.fetch, 2, 0, 6)] == [
        (3, True),
        (4, False),
        (5, False),
    ]
    assert sorted(read_through(broker)) == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("after", [(40,), (7, 9, 3, 40), (1,) * 50], ids=("one large", "some", "many small"))
@pytest.mark.parametrize("bit", range(64))
def test_a_base_offset_at_the_end_of_a_segment_that_reaches_into_the_next_is_passed_over(
    after: tuple[int, ...], bit: int
) -> None:
    broker = ModelBroker([maker.segment(0, [4, 30]), maker.segment(34, after)])
    broker.files[0][broker.made[0].batches[1][0] + bit // 8] ^= 128 >> bit % 8
    whole = [*broker.made[0].batches[:1], *broker.made[1].batches]
    found = read_through(broker, is_boundary=True)
    assert found == {base: base + count - 1 for _, _, base, count in whole}


@pytest.mark.parametrize("bit", [58, 59, 60, 62])
def test_and_where_the_first_batch_of_the_next_is_damaged_too(bit: int) -> None:
    broker = ModelBroker([maker.segment(0, [4, 30]), maker.segment(34, [40, 5]), maker.segment(79, [3])])
    broker.files[0][broker.made[0].batches[1][0] + bit // 8] ^= 128 >> bit % 8
    broker.files[1][100] ^= 1
    assert read_through(broker, is_boundary=True) == {0: 3, 74: 78, 79: 81}


def test_a_damaged_length_at_the_start_of_a_segment_does_not_hide_the_rest_of_it() -> None:
    broker = ModelBroker([maker.segment(0, [1] * 5), maker.segment(5, [1] * 20), maker.segment(25, [1])])
    broker.files[1][8] = 0x40  # far beyond the file, which the broker takes for its end
    assert intact(broker.fetch, 5, 0, 26)[0].batch.base_offset == 5 + INDEX_EVERY


@pytest.mark.parametrize("bit", [2, 21, 50, 56])
def test_a_large_batch_that_is_misplaced_at_the_start_of_a_segment_does_not_hide_the_one_after_it(
    bit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "PROBE_BYTES", 500)
    broker = ModelBroker([maker.segment(0, [4]), maker.segment(4, [40, 40]), maker.segment(84, [2])])
    broker.files[1][bit // 8] ^= 128 >> bit % 8
    assert read_through(broker, is_boundary=True) == {0: 3, 44: 83, 84: 85}


def test_where_the_log_seems_to_end_far_away_what_lies_near_is_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The newest batch's own count of offsets was damaged: steps to the end of the log pass over whole segments."""
    monkeypatch.setattr(salvage, "PROBE_BYTES", 500)
    broker = ModelBroker([maker.segment(0, [4, 300]), maker.segment(304, [50, 300]), maker.segment(654, [1000])])
    broker.files[0][broker.made[0].batches[1][1] - 5] ^= 1
    broker.files[1][broker.made[1].batches[1][0] + 1] ^= 8
    pieces = intact(broker.fetch, 4, 0, 270_000, is_boundary=True)
    assert [(one.batch.base_offset, one.batch.last_offset) for one in pieces] == [(304, 353)]


def test_a_position_inside_a_batch_gets_that_batch() -> None:
    broker = ModelBroker([maker.segment(0, [5, 5])])
    assert intact(broker.fetch, 3, 0, 10)[0].batch.base_offset == 0


def test_damage_is_told_from_offsets_that_are_simply_not_there() -> None:
    broker = ModelBroker([maker.segment(0, [2, 2, 2]), maker.segment(9, [1])])
    broker.files[0][broker.made[0].batches[1][0] + 70] ^= 1
    beyond = intact(broker.fetch, 2, 0, 10)
    assert [(one.batch.base_offset, one.is_after_damage) for one in beyond] == [(4, True)]
    assert [(one.batch.base_offset, one.is_after_damage) for one in intact(broker.fetch, 6, 0, 10)] == [(9, False)]


def test_a_log_that_holds_nothing_more_is_said_with_few_requests() -> None:
    broker = ModelBroker([maker.segment(0, [1] * 40)])
    broker.files[0][200:] = bytes(len(broker.files[0]) - 200)
    assert intact(broker.fetch, 20, 0, 40) == []
    assert broker.requests < 60
