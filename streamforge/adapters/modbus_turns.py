"""Whose turn it is on a connection that several units share: who has used it least.

Taking turns request by request would let a unit that answers in 900 ms have nearly all of the line; counting the time
it takes gives each unit that waits the same share, and lets the fast ones go several times in between.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic


class Turns:
    """One holder at a time. A unit that comes back from a rest has no claim on the time it did not use."""

    def __init__(self) -> None:
        self._used_seconds: dict[int, float] = {}
        self._floor_seconds = 0.0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._is_held = False

    @asynccontextmanager
    async def turn(self, unit_id: int) -> AsyncIterator[None]:
        """The connection is this unit's for as long as the block runs."""
        await self._take(unit_id)
        began = monotonic()
        try:
            yield
        finally:
            self._used_seconds[unit_id] += monotonic() - began
            self._release()

    async def _take(self, unit_id: int) -> None:
        used = self._used_seconds.get(unit_id, 0.0)
        self._used_seconds[unit_id] = max(used, self._floor_seconds)
        if not self._is_held:
            self._hold(unit_id)
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((unit_id, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._release()  # the turn came together with the cancellation
            raise

    def _hold(self, unit_id: int) -> None:
        self._is_held = True
        self._floor_seconds = self._used_seconds[unit_id]

    def _release(self) -> None:
        """Passed on a moment later: the unit that was served may have its next request ready, and takes part."""
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._pass_on)
        else:
            self._is_held = False

    def _pass_on(self) -> None:
        self._is_held = False
        self._waiting = [entry for entry in self._waiting if not entry[1].done()]
        if self._waiting:
            place = min(range(len(self._waiting)), key=lambda at: self._used_seconds[self._waiting[at][0]])
            unit_id, chosen = self._waiting.pop(place)
            self._hold(unit_id)
            chosen.set_result(None)
