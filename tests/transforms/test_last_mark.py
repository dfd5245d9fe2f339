"""The newest mark and the offset that belongs to it, while its topic goes on."""

from collections.abc import Iterator
from typing import cast

from streamforge.bus.reader import Fetched, Reader
from streamforge.model import Topic
from streamforge.progress import Headers, Partition, Position
from streamforge.transforms.last_mark import last_mark
from streamforge.transforms.marks import Mark

CLEAN = Partition(Topic.TELEMETRY_CLEAN.value)
MARK = Mark(
    place=Partition(Topic.TELEMETRY_RAW.value),
    position=Position(next_offset=7, incarnation=1),
    hold=7,
    scan=0,
    sides={},
)


def record(offset: int, headers: Headers = ()) -> Fetched:
    return Fetched(partition=CLEAN, offset=offset, kafka_time_us=0, key=b"", value=b"", headers=headers)


class Growing:
    """Of Reader, what is used; the partition gets another record with every look at its end."""

    def __init__(self, *records: Fetched) -> None:
        self._records = list(records)

    def ends(self, places: list[Partition]) -> dict[Partition, int]:
        self._records.append(record(len(self._records), MARK.headers()))
        return {place: len(self._records) for place in places}

    def backwards(self, _place: Partition, _count: int) -> Iterator[Iterator[Fetched]]:
        yield from (iter([one]) for one in reversed(self._records))


def test_the_offset_is_that_after_the_record_of_the_mark() -> None:
    growing = Growing(record(0, MARK.headers()))
    mark, end = last_mark(cast("Reader", growing), CLEAN)
    assert (mark, end) == (MARK, 2)
    assert growing.ends([CLEAN]) == {CLEAN: 3}, "by now there is more, which the mark says nothing of"


def test_records_without_a_mark_are_passed_over() -> None:
    class Ending(Growing):
        def ends(self, places: list[Partition]) -> dict[Partition, int]:
            return dict.fromkeys(places, len(self._records))

    damaged = Ending(record(0, MARK.headers()), record(1), record(2))
    assert last_mark(cast("Reader", damaged), CLEAN) == (MARK, 1)
    assert last_mark(cast("Reader", Ending(record(0))), CLEAN) == (None, 1)
