"""The connection to one address, shared by the devices behind it: made, lost and made again with backoff."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from streamforge.backoff import Backoff
from streamforge.errors import NotConnected
from streamforge.logs import Log

_log = Log("adapter")


NOT_TRIED = "not tried yet"
# A connection that lasted so long was a good one: the next attempt comes at once.
STEADY_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class Peer:
    """One address. `run` keeps the connection; `lost` says that it is gone. Says each change once."""

    address: str
    connect: Callable[[], Awaitable[None]]
    backoff: Backoff
    is_connected: bool = False
    reason: str = NOT_TRIED
    _is_away_said: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _up: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Connect, wait until it is lost, connect again; until cancelled."""
        while True:
            await self._connect()
            began = time.monotonic()
            while self.is_connected:
                self._changed.clear()
                await self._changed.wait()
            if time.monotonic() - began >= STEADY_SECONDS:
                self.backoff.reset()
            else:  # who takes connections and drops them is not asked ever faster
                await asyncio.sleep(self.backoff.next_seconds())

    async def _connect(self) -> None:
        while not self.is_connected:
            try:
                await self.connect()
            except (NotConnected, OSError) as error:
                self._away(str(error) or type(error).__name__)
                await asyncio.sleep(self.backoff.next_seconds())
            else:
                self._back()

    async def stands(self) -> None:
        """Wait until it is connected."""
        while not self.is_connected:
            self._up.clear()
            await self._up.wait()

    def lost(self, reason: str) -> None:
        """A device found the connection gone."""
        if self.is_connected:
            self.is_connected = False
            self._away(reason)
            self._changed.set()

    def _away(self, reason: str) -> None:
        self.reason = reason if self.address in reason else f"{self.address}: {reason}"
        if not self._is_away_said:
            self._is_away_said = True
            _log.warning("peer_away", address=self.address, reason=self.reason)

    def _back(self) -> None:
        self.is_connected = True
        self._up.set()
        self.reason = ""
        if self._is_away_said:
            self._is_away_said = False
            _log.info("peer_back", address=self.address)
