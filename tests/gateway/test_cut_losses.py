"""What a cut cost, by what adapters noted and what stands around it."""

import pytest

from streamforge.gateway.cut_losses import Around, Loss, Promise, losses

FIFTY = Around(ends={("plant", 1): 50})


def promise(epoch: int, read: int, promised: int) -> Promise:
    """Of an epoch that wrote before the cut."""
    return Promise(epoch=epoch, read=read, promised=promised, incarnation=1, began=1)


def bounds(epochs: list[Promise], *partitions: Around, is_anew: bool = False) -> list[tuple[int, int, int]]:
    """Epoch, at least, at most."""
    return [(one.epoch, one.at_least, one.at_most) for one in losses({"plant": epochs}, partitions, is_anew=is_anew)]


@pytest.mark.parametrize(
    ("epochs", "lost"),
    [
        ([promise(1, 50, 50)], []),
        ([promise(1, 60, 100)], [(1, 10, 50)]),
        ([promise(1, 50, 50), promise(2, 0, 1000)], [(2, 0, 1000)]),
        ([promise(1, 70, 70), promise(2, 30, 40)], [(1, 20, 20), (2, 30, 40)]),
        ([promise(0, 5_000, 5_000), promise(1, 60, 100)], [(1, 10, 50)]),
    ],
    ids=["ended in order", "ends at the cut", "nothing of it is there", "two lost something", "one ended long ago"],
)
def test_what_was_promised_and_is_not_there_bounds_the_loss(
    epochs: list[Promise], lost: list[tuple[int, int, int]]
) -> None:
    assert bounds(epochs, FIFTY) == lost


def test_an_epoch_that_ended_in_order_has_an_exact_count() -> None:
    (loss,) = losses({"plant": [promise(1, 70, 70)]}, [FIFTY], is_anew=False)
    assert loss == Loss(adapter_id="plant", epoch=1, at_least=20, at_most=20, end=50)
    assert str(loss) == "plant/1=20"


def test_an_adapter_of_which_the_log_has_nothing_may_have_lost_all() -> None:
    assert bounds([promise(1, 5, 9)], Around()) == [(1, 5, 9)]


def test_one_that_stopped_in_order_long_ago_is_not_blamed() -> None:
    assert bounds([promise(1, 5_000, 5_000)], Around()) == []


def test_a_later_record_makes_the_count_exact() -> None:
    assert bounds([promise(1, 90, 2_000)], Around(ends={("plant", 1): 50}, holes={("plant", 1): 7})) == [(1, 7, 7)]


def test_a_later_record_without_a_hole_is_no_loss() -> None:
    assert bounds([promise(1, 90, 2_000)], Around(ends={("plant", 1): 50}, holes={("plant", 1): 0})) == []


def test_in_several_partitions_the_earliest_end_bounds_and_nothing_is_certain() -> None:
    """Their readings lie in turns, so that neither an end nor a hole says what is missing elsewhere."""
    other = Around(ends={("plant", 1): 80}, holes={("plant", 1): 7})
    assert bounds([promise(1, 90, 200)], FIFTY, other) == [(1, 0, 150)]
    lost_whole = Around(ends={("plant", 0): 80})
    assert bounds([promise(1, 90, 200)], FIFTY, lost_whole) == [(1, 0, 200)]


def test_what_another_log_held_is_not_counted_as_lost() -> None:
    assert bounds([promise(1, 90, 200)], Around(), is_anew=True) == []


@pytest.mark.parametrize(
    ("began", "incarnation", "is_in"),
    [(1, 1, True), (2, 2, True), (1, 3, True), (3, 3, False), (0, 0, False)],
    ids=["before", "between", "lived through it", "after the cut", "never reached the log"],
)
def test_the_epochs_of_a_cut_are_those_that_wrote_before_it(began: int, incarnation: int, *, is_in: bool) -> None:
    one = Promise(epoch=1, read=0, promised=9, incarnation=incarnation, began=began)
    assert one.lived_through(1, 3) is is_in
