"""Progress as it is stored with the data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.progress import Counted, CountKey, Partition, Position, Progress

_names = st.text(min_size=1, max_size=20)
_numbers = st.integers(0, 2**62)


@given(
    st.dictionaries(st.tuples(_names, st.integers(0, 12)), _numbers, max_size=4),
    st.dictionaries(
        st.tuples(_names, _numbers, st.integers(0, 12)),
        st.tuples(_numbers, _numbers, _numbers, _numbers, _numbers),
        max_size=4,
    ),
    st.dictionaries(st.tuples(_names, st.integers(0, 12)), _numbers, max_size=4),
)
def test_progress_comes_back_from_its_json(
    positions: dict[tuple[str, int], int],
    counts: dict[tuple[str, int, int], tuple[int, int, int, int, int]],
    holes: dict[tuple[str, int], int],
) -> None:
    progress = Progress(
        positions={Partition(*place): Position(next_offset=offset) for place, offset in positions.items()},
        counts={
            CountKey(*key): Counted(delivered=d, rejected=r, evicted=e, next_count=n, last_offset=at)
            for key, (d, r, e, n, at) in counts.items()
        },
        holes={Partition(*place): offset for place, offset in holes.items()},
    )
    assert Progress.from_json(progress.to_json()) == progress


def test_what_an_earlier_version_stored_is_of_the_first_partition() -> None:
    progress = Progress.from_json('{"positions":[],"counts":[["plant",1,5,4,3,12,7]]}')
    counted = Counted(delivered=5, rejected=4, evicted=3, next_count=12, last_offset=7)
    assert progress == Progress(counts={CountKey("plant", 1, 0): counted})


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"positions": 3, "counts": []}', '{"positions": [[1]], "counts": []}']
)
def test_what_is_no_progress_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Progress.from_json(text)


def test_progress_of_a_release_before_holes_were_kept_is_read() -> None:
    assert Progress.from_json('{"positions": [], "counts": []}') == Progress()
