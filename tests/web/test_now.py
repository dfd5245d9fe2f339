"""The picture of the ledger."""

import pytest

from streamforge.web.pages.now import shares
from streamforge.web.snapshot import Ledger


@pytest.mark.parametrize(
    "figures",
    [(971, 28, 1, 0), (0, 0, 0, 5), (1_000_000, 1, 1, 1), (0, 10, 0, 0), (333, 333, 333, 1), (0, 0, 0, 0)],
)
def test_the_bar_is_full_and_every_part_that_is_not_nothing_is_seen(figures: tuple[int, int, int, int]) -> None:
    delivered, waiting, rejected, evicted = figures
    read = max(1, sum(figures))
    ledger = Ledger(taken_us=1, read=read, delivered=delivered, waiting=waiting, rejected=rejected, evicted=evicted)
    parts = shares(ledger)
    at = 0
    for (_, x, width, _), figure in zip(parts, figures, strict=True):
        assert x == at
        assert width >= (3 if figure else 0)
        at += width
    assert at == 1000


def test_nothing_read_is_no_bar() -> None:
    assert shares(None) == []
    assert shares(Ledger(taken_us=1, read=0, delivered=0, waiting=0, rejected=0, evicted=0)) == []
