"""Units that share a connection get the same time of it, however slow one of them is."""

import asyncio

import pytest

from streamforge.adapters import modbus_turns
from streamforge.adapters.modbus_turns import Turns


class Line:
    """A connection on a clock of its own: unit n takes `seconds[n]` a request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
        self.turns = Turns()
        self.now = 0.0
        self.order: list[int] = []
        self._seconds = seconds
        monkeypatch.setattr(modbus_turns, "monotonic", lambda: self.now)

    async def ask(self, unit_id: int, times: int) -> None:
        for _ in range(times):
            async with self.turns.turn(unit_id):
                self.order.append(unit_id)
                await asyncio.sleep(0)
                self.now += self._seconds[unit_id]


def test_equal_units_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, {1: 0.1, 2: 0.1, 3: 0.1})

    async def main() -> None:
        await asyncio.gather(*(line.ask(unit, 4) for unit in (1, 2, 3)))

    asyncio.run(main())
    assert [sorted(line.order[at : at + 3]) for at in range(0, 12, 3)] == [[1, 2, 3]] * 4


@pytest.mark.parametrize("units", [(1, 2), (1, 2, 3)])
def test_a_slow_unit_does_not_delay_the_others(monkeypatch: pytest.MonkeyPatch, units: tuple[int, ...]) -> None:
    line = Line(monkeypatch, {1: 0.9, 2: 0.01, 3: 0.01})

    async def main() -> None:
        await asyncio.gather(*(line.ask(unit, 20) for unit in units))

    asyncio.run(main())
    fast_done = max(at for at, unit in enumerate(line.order) if unit != 1)
    assert line.order[: fast_done + 1].count(1) <= 2


def test_two_grids_of_one_unit_get_one_share(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, {1: 0.1, 2: 0.1})

    async def main() -> None:
        await asyncio.gather(line.ask(1, 6), line.ask(1, 6), line.ask(2, 6))

    asyncio.run(main())
    assert line.order[:10].count(2) >= 4


def test_a_unit_that_rested_has_no_claim_on_the_time_it_did_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, {1: 0.1, 2: 0.1})

    async def main() -> None:
        await line.ask(1, 50)
        line.order.clear()
        await asyncio.gather(line.ask(1, 5), line.ask(2, 5))

    asyncio.run(main())
    assert line.order[:6].count(1) >= 2


def test_who_gives_up_waiting_loses_nobody_their_turn() -> None:
    async def main() -> None:
        turns, order = Turns(), list[int]()

        async def ask(unit_id: int) -> None:
            async with turns.turn(unit_id):
                order.append(unit_id)
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(ask(unit)) for unit in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [1, 3]
        async with asyncio.timeout(1.0):
            await ask(4)

    asyncio.run(main())


def test_a_turn_that_comes_together_with_a_cancellation_goes_to_the_next() -> None:
    async def main() -> None:
        turns = Turns()

        async def hold(unit_id: int) -> None:
            async with turns.turn(unit_id):
                await asyncio.sleep(0)

        first = asyncio.create_task(hold(1))
        await asyncio.sleep(0)
        second, third = asyncio.create_task(hold(2)), asyncio.create_task(hold(3))
        await asyncio.sleep(0)
        await first
        second.cancel()
        async with asyncio.timeout(1.0):
            await third

    asyncio.run(main())
