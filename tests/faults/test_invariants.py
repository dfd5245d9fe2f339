"""The judge itself: it sees every kind of damage, and accuses nobody of what came after the cut."""

from collections.abc import Sequence

import pytest

from tests.faults.invariants import Acknowledged, Bound, Standing, Verdict, breaches, judge, skipped

CUT_SECONDS = 10.0
ANY = Bound(topic="any")


def acknowledged(*at_seconds: float) -> list[Acknowledged]:
    """Records 1, 2, ... at offsets 0, 1, ..., acknowledged at these moments."""
    return [Acknowledged(number=n, offset=n - 1, at_seconds=at) for n, at in enumerate(at_seconds, 1)]


def found(*numbers: int, offsets: Sequence[int] = ()) -> list[Standing]:
    """Records of these numbers in this order."""
    return [Standing(number=n, offset=offset) for n, offset in zip(numbers, offsets or range(99), strict=False)]


def verdict(truth: list[Acknowledged], there: list[Standing]) -> Verdict:
    """The judgement of a cut that took a tenth of a second."""
    return judge(truth, there, began_seconds=CUT_SECONDS, ended_seconds=CUT_SECONDS + 0.1)


def test_a_log_that_has_everything_is_clean() -> None:
    seen = verdict(acknowledged(8.0, 9.0, 9.9), found(1, 2, 3))
    assert (seen.acknowledged, seen.lost, seen.window_seconds) == (3, 0, 0.0)
    assert breaches(seen, Bound(topic="any", lost=0, window_seconds=0.0)) == []


def test_a_lost_tail_is_counted_back_to_its_oldest_acknowledgement() -> None:
    seen = verdict(acknowledged(8.0, 9.0, 9.9), found(1))
    assert seen.lost == 2
    assert seen.window_seconds == pytest.approx(1.1)
    assert breaches(seen, ANY) == []
    assert breaches(seen, Bound(topic="any", window_seconds=1.2)) == []
    assert "F3" in breaches(seen, Bound(topic="any", window_seconds=1.0))[0]
    assert "I3" in breaches(seen, Bound(topic="any", lost=1))[0]


def test_what_was_acknowledged_after_the_cut_is_not_lost() -> None:
    assert verdict(acknowledged(9.9, 10.05), found(1)).lost == 0


def test_what_stands_without_an_acknowledgement_is_no_fault() -> None:
    assert breaches(verdict(acknowledged(9.9), found(1, 2)), ANY) == []


@pytest.mark.parametrize(
    ("there", "letter"),
    [
        (found(1, 2, 2, 3), "I4: records stand more than once"),
        (found(2, 1, 3, offsets=(1, 2, 3)), "I4: records stand out of order"),
        (found(1, 3, offsets=(0, 2)), "I5: lost records have later ones"),
        (found(1, 2, 3, offsets=(0, 1, 5)), "I5: offsets are missing"),
        (found(1, 3, offsets=(0, 1)), "I5: records stand at other offsets"),
    ],
)
def test_damage_inside_the_log_is_seen_whatever_is_allowed(there: list[Standing], letter: str) -> None:
    assert letter in " ".join(breaches(verdict(acknowledged(8.0, 9.0, 9.9), there), ANY))


def test_a_plant_that_had_fallen_silent_proves_nothing() -> None:
    assert "nothing was written for 7.0 s" in breaches(verdict(acknowledged(3.0), found(1)), ANY)[0]
    assert "nothing was written for" in breaches(verdict([], []), ANY)[0]


def test_records_that_a_reader_never_got_are_named() -> None:
    assert skipped(acknowledged(1.0, 2.0, 3.0), found(3, offsets=(2,))) == [1, 2]
    assert skipped(acknowledged(1.0), found(1)) == []
