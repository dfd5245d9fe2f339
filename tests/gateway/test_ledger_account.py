"""Whatever happens in whatever order: the ledger balances, and says of each epoch what was really lost."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.ledger_model import Gateway

_few = st.integers(1, 4)
_places = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take_in"), _places, _few),
        st.tuples(st.just("take_in"), _places, _few),
        st.tuples(st.just("drop"), _few),
        st.tuples(st.just("validate"), _places, _few, st.integers(0, 2)),
        st.tuples(st.just("deliver"), _places, _few),
        st.tuples(st.just("evict_clean"), _places, _few),
        st.tuples(st.just("evict_raw"), _places, _few),
        st.tuples(st.just("restart_adapter")),
    ),
    max_size=60,
)


def run(steps: list[tuple[Any, ...]], partitions: int) -> Gateway:
    gateway = Gateway(partitions)
    for name, *arguments in steps:
        getattr(gateway, name)(*arguments)
    return gateway


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 3))
def test_every_reading_is_accounted_for_once_whatever_is_evicted(steps: list[tuple[Any, ...]], partitions: int) -> None:
    gateway = run(steps, partitions)
    for row in gateway.rows():
        assert row.balanced, row
        assert row.evicted == gateway.lost[row.epoch] + gateway.dropped[row.epoch], row


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(_places, _few), min_size=1, max_size=20), st.integers(1, 3), st.integers(0, 3))
def test_what_nobody_accounts_for_is_never_explained_away(
    batches: list[tuple[int, int]], partitions: int, delivered: int
) -> None:
    gateway = Gateway(partitions)
    for place, readings in batches:
        gateway.take_in(place, readings)
        gateway.validate(place, 9, 1)
    gateway.deliver(0, delivered)
    (row,) = gateway.rows(unexplained=5)
    assert row.missing == 5


def test_an_epoch_of_which_nothing_is_left_was_evicted_also_between_two_others() -> None:
    gateway = Gateway(1)
    gateway.take_in(0, 3)
    gateway.validate(0, 1, 0)
    gateway.deliver(0, 1)
    for _ in range(2):
        gateway.restart_adapter()
        gateway.take_in(0, 2)
    gateway.validate(0, 2, 0)
    gateway.evict_clean(0, 2)
    gateway.deliver(0, 1)
    assert [(row.delivered, row.evicted) for row in gateway.rows()] == [(3, 0), (0, 2), (2, 0)]


def test_what_was_lost_is_counted_once_however_often_the_ledger_is_taken_and_the_sink_begins_anew() -> None:
    gateway = Gateway(1)
    for _ in range(6):
        gateway.take_in(0, 2)
    gateway.validate(0, 4, 0)
    gateway.evict_clean(0, 2)
    before = gateway.rows()
    assert [(row.waiting, row.evicted) for row in before] == [(8, 4)]
    gateway.deliver(0, 1)
    gateway.deliver(0, 9)
    assert [(row.delivered, row.waiting, row.evicted) for row in gateway.rows()] == [(4, 4, 4)]
