"""The ledger of the page: taken beside the work, told uneven only when it stays so."""

import threading
from collections.abc import Callable

from streamforge.errors import NotConnected
from streamforge.gateway.ledger import Ledger, Row
from streamforge.web import snapshot
from streamforge.web.ledger_keeper import MOST_WAITING_RECORDS, LedgerKeeper

EVEN = Ledger(rows=(Row(adapter_id="plant", epoch=1, sink="file@export", read=10, delivered=8, rejected=2),))
UNEVEN = Ledger(rows=(Row(adapter_id="plant", epoch=1, sink="file@export", read=10, delivered=8),))


def next_look(keeper: LedgerKeeper) -> snapshot.Ledger | None:
    """What stands after one more count."""
    keeper._next = 0.0
    keeper.look(0)
    for thread in threading.enumerate():
        if thread.name == "ledger":
            thread.join(5)
    return keeper.look(0)


def keeper_of(*answers: Ledger) -> LedgerKeeper:
    queue = list(answers)
    take: Callable[[], Ledger] = lambda: queue.pop(0)  # noqa: E731
    return LedgerKeeper(take)


def test_it_shows_the_totals() -> None:
    found = next_look(keeper_of(EVEN))
    assert found is not None
    assert (found.read, found.delivered, found.rejected, found.missing) == (10, 8, 2, 0)


def test_uneven_once_is_a_unit_that_restarts_uneven_twice_is_told() -> None:
    keeper = keeper_of(UNEVEN, UNEVEN, EVEN)
    looks = [next_look(keeper) for _ in range(3)]
    assert [look.missing for look in looks if look is not None] == [0, 2, 0]


def test_too_much_waiting_is_not_counted_here() -> None:
    keeper = keeper_of(EVEN)
    assert keeper.look(MOST_WAITING_RECORDS + 1) is None
    assert next_look(keeper) is not None


def test_a_broker_that_is_away_leaves_the_last_one() -> None:
    def away() -> Ledger:
        raise NotConnected("away")

    keeper = LedgerKeeper(away)
    assert next_look(keeper) is None
