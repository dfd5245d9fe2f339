"""The ledger of the page: taken beside the work, told uneven only when it stays so."""

import threading

from streamforge.errors import NotConnected
from streamforge.gateway.ledger import Ledger, Row, Said
from streamforge.metrics import Metrics
from streamforge.web import snapshot
from streamforge.web.ledger_keeper import LedgerKeeper, Take

EVEN = Ledger(rows=(Row(adapter_id="plant", epoch=1, sink="file@export", read=10, delivered=8, rejected=2),))
UNEVEN = Ledger(rows=(Row(adapter_id="plant", epoch=1, sink="file@export", read=10, delivered=8),))


def next_look(keeper: LedgerKeeper) -> snapshot.Ledger | None:
    """What stands after one more count."""
    keeper._next = 0.0
    keeper.look()
    for thread in threading.enumerate():
        if thread.name == "ledger":
            thread.join(5)
    return keeper.look()


def keeper_of(*answers: Ledger) -> LedgerKeeper:
    queue = list(answers)
    take: Take = lambda said: (queue.pop(0), said)  # noqa: E731
    return LedgerKeeper(take)


def test_it_shows_the_totals() -> None:
    found = next_look(keeper_of(EVEN))
    assert found is not None
    (sink,) = found.sinks
    assert (sink.name, sink.read, sink.delivered, sink.rejected, found.missing) == ("file/export", 10, 8, 2, 0)


def test_uneven_once_is_a_unit_that_restarts_uneven_twice_is_told() -> None:
    keeper = keeper_of(UNEVEN, UNEVEN, EVEN)
    looks = [next_look(keeper) for _ in range(3)]
    assert [look.missing for look in looks if look is not None] == [0, 2, 0]


def test_what_waits_grows_or_drains() -> None:
    def waiting(count: int) -> Ledger:
        return Ledger(rows=(Row(adapter_id="plant", epoch=1, sink="file@export", read=count, waiting=count),))

    keeper = keeper_of(waiting(5), waiting(50), waiting(1))
    growths = [look.sinks[0].growth_per_second for look in [next_look(keeper) for _ in range(3)] if look is not None]
    assert growths[0] is None
    assert growths[1] is not None
    assert growths[2] is not None
    assert growths[1] > 0 > growths[2]


def test_what_could_not_be_counted_is_not_called_uneven() -> None:
    unknown = Ledger(rows=(Row(adapter_id="plant", epoch=1, sink="file@export", read=10, is_judged=False, note="x"),))
    keeper = keeper_of(unknown, unknown)
    for look in [next_look(keeper), next_look(keeper)]:
        assert look is not None
        assert (look.missing, look.sinks[0].note) == (0, "x")


def test_what_units_said_is_handed_on_for_those_that_do_not_answer_later() -> None:
    given: list[Said] = []

    def take(said: Said) -> tuple[Ledger, Said]:
        given.append(said)
        return EVEN, Said(silent=frozenset({"file@export"}))

    keeper = LedgerKeeper(take)
    next_look(keeper)
    next_look(keeper)
    assert given == [Said(), Said(silent=frozenset({"file@export"}))]


def test_a_scrape_shows_the_figures_by_sink_and_is_a_look() -> None:
    keeper, metrics = keeper_of(UNEVEN, UNEVEN, UNEVEN), Metrics()
    keeper.show_in(metrics)
    assert b"streamforge_ledger_readings{" not in metrics.text()
    next_look(keeper)
    next_look(keeper)
    text = metrics.text().decode()
    assert 'streamforge_ledger_readings{figure="delivered",sink="file/export"} 8.0' in text
    assert 'streamforge_ledger_balanced{sink="file/export"} 0.0' in text
    assert "streamforge_ledger_taken_timestamp_seconds 1." in text


def test_a_broker_that_is_away_leaves_the_last_one() -> None:
    def away(_said: Said) -> tuple[Ledger, Said]:
        raise NotConnected("away")

    keeper = LedgerKeeper(away)
    assert next_look(keeper) is None
