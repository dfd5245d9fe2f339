"""LoRaWAN gateways that call by UDP: acknowledged where they are known, their receptions judged and read."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from streamforge.adapters.base import Inbox
from streamforge.adapters.lora_config import LoraSource
from streamforge.adapters.lora_counters import SYNC_SECONDS, FrameCounters
from streamforge.adapters.lora_devices import LoraNode, LorawanNetwork
from streamforge.adapters.lora_transport import Transport, offer
from streamforge.adapters.semtech_udp import PUSH_DATA, parse, receptions
from streamforge.adapters.udp_port import Address, UdpPort
from streamforge.adapters.virtual_modbus import host_and_port
from streamforge.clock import now_us
from streamforge.errors import NotConnected

QUIET_SECONDS = 1.0
FIRST_CALL_SECONDS = 30.0


class Gateways(Transport):
    """All gateways that call one address."""

    def __init__(self, source: LoraSource, nodes: Sequence[LoraNode]) -> None:
        super().__init__()
        self._listen_to = source.listen
        self._timeout_seconds = source.gateway_timeout_s
        self._gateways = {eui.lower() for eui in source.gateways}
        self.network = LorawanNetwork(nodes)
        self.port = UdpPort(*host_and_port(source.listen))
        self.counters: FrameCounters | None = None
        self._synced_seconds = self._called_seconds = 0.0
        self._first: list[tuple[bytes, Address]] = []

    async def open(self, state_directory: Path | None) -> None:
        if self.counters is None and state_directory is not None:
            self.counters = FrameCounters(state_directory)
        self.network.open(self.counters)
        await self.port.open()
        await self._hear_a_gateway()

    async def listen(self, inbox: Inbox) -> None:
        received = self._first.pop() if self._first else await self.port.read(QUIET_SECONDS)
        await self._sync()
        if received:
            self.take(*received, inbox)
        silent_seconds = monotonic() - self._called_seconds
        if 0.0 < self._timeout_seconds < silent_seconds:
            raise NotConnected(f"{self._listen_to}: no gateway has called for {silent_seconds:.0f} s")

    def close(self) -> None:
        self.port.close()
        if self.counters:
            with suppress(OSError):
                self.counters.close()

    def figures(self) -> Mapping[tuple[str, ...], float]:
        counts = {**self.network.counts, "dropped_datagrams": self.port.dropped}
        found = dict(super().figures())
        found.update({("", name): float(count) for name, count in counts.items()})
        found.update({(asset_id, "lost_frames"): float(count) for asset_id, count in self.network.lost().items()})
        return found

    async def _hear_a_gateway(self) -> None:
        """An address that nobody sends to is no connection. Raises NotConnected where no gateway calls in time."""
        until = monotonic() + min(self._timeout_seconds, FIRST_CALL_SECONDS)
        while self._timeout_seconds and not self._first:
            received = await self.port.read(max(0.0, until - monotonic()))
            if received and self._is_of_gateway(received[0]):
                self._first.append(received)
            elif monotonic() >= until:
                raise NotConnected(f"{self._listen_to}: no gateway sends here")
        self._called_seconds = monotonic()

    def _is_of_gateway(self, raw: bytes) -> bool:
        try:
            return parse(raw).gateway in self._gateways
        except ValueError:
            return False

    async def _sync(self) -> None:
        """Counters to the disk, now and then. A disk that does not take them is counted: it must not cost readings."""
        if self.counters is None or monotonic() - self._synced_seconds < SYNC_SECONDS:
            return
        self._synced_seconds = monotonic()
        try:
            await asyncio.to_thread(self.counters.sync)
        except OSError:
            self.counts["counters_not_saved"] += 1

    def take(self, raw: bytes, sender: Address, inbox: Inbox) -> None:
        """One datagram, of whomever."""
        try:
            datagram = parse(raw)
            if datagram.gateway not in self._gateways:
                self.counts["datagrams_of_unknown_gateways"] += 1
                return
            self._called_seconds = monotonic()
            if datagram.acknowledgement:
                self.port.write(datagram.acknowledgement, sender)
            found, others = receptions(datagram.body) if datagram.kind == PUSH_DATA else ([], 0)
        except ValueError:
            self.counts["malformed_datagrams"] += 1
            return
        self.counts["receptions"] += len(found)
        self.counts["unreadable_receptions"] += others
        for heard in found:
            try:
                offer(inbox, self.network.take(heard, monotonic(), now_us()))
            except ValueError as error:
                self.refuse(inbox, self._listen_to, heard.phy, str(error))
