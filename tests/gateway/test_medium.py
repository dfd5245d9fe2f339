"""When a disk is called slow, and when well again."""

from streamforge.gateway.medium import FEW, MANY, RECENT, SLOW_SECONDS, Medium

SLOW, FAST = SLOW_SECONDS * 2, SLOW_SECONDS / 10


def changes(medium: Medium, *seconds: float) -> list[bool]:
    """The word after each change of it."""
    return [medium.is_slow for one in seconds if medium.took(one)]


def test_a_card_that_tidies_up_now_and_then_is_not_slow() -> None:
    medium = Medium()
    assert changes(medium, *([FAST] * 12 + [SLOW * 4]) * 20) == []


def test_again_and_again_is_slow_and_changes_the_word_once() -> None:
    medium = Medium()
    assert changes(medium, *[SLOW] * MANY * 3) == [True]


def test_it_is_well_again_when_almost_none_is_slow() -> None:
    medium = Medium()
    changes(medium, *[SLOW] * MANY)
    assert changes(medium, *[FAST] * (RECENT - FEW - 1)) == []
    assert changes(medium, *[FAST] * RECENT) == [False]


def test_about_the_limit_the_word_does_not_flutter() -> None:
    medium = Medium()
    assert changes(medium, *([SLOW] + [FAST] * 5) * 100) == [True]


def test_the_figures_are_of_the_recent_syncs_in_milliseconds() -> None:
    medium = Medium()
    assert medium.figures() == {"p50_ms": 0.0, "p99_ms": 0.0, "worst_ms": 0.0}
    for number in range(101):
        medium.took(number / 1000)
    assert medium.recent == RECENT
    assert medium.figures() == {"p50_ms": 71.0, "p99_ms": 99.0, "worst_ms": 100.0}
