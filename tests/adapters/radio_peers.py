"""Radio modules on a pty, and an inbox that remembers: what the tests of xbee and lora share."""

import asyncio
import os
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from digi.xbee.models.mode import OperatingMode
from digi.xbee.models.status import ATCommandStatus
from digi.xbee.packets.common import ATCommPacket, ATCommResponsePacket
from digi.xbee.packets.factory import build_frame

from streamforge.adapters.base import Batch, Refused
from streamforge.model import Alarm, Event


@dataclass
class Kept:
    """An inbox that keeps what is put into it."""

    batches: list[Batch] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    async def put(self, batch: Batch) -> None:
        self.batches.append(batch)

    def offer(self, batch: Batch) -> None:
        self.batches.append(batch)

    def signal(self, signal: Event | Alarm, done: Callable[[], None] = lambda: None) -> None:
        raise AssertionError(signal, done)

    def refuse(self, refused: Refused, done: Callable[[], None] = lambda: None) -> None:
        self.refused.append(refused)

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The batches as expected.json of a case writes them."""
        return [shown(batch) for batch in self.batches]


def shown(batch: Batch) -> dict[str, Any]:
    """A batch as expected.json writes it."""
    names = batch.names.parameters
    entry: dict[str, Any] = {
        "asset_id": batch.asset_id,
        "values": {name: batch.others.get(i, batch.values[i]) for i, name in enumerate(names)},
    }
    if batch.qualities:
        entry["qualities"] = list(batch.qualities)
    if batch.reasons:
        entry["reasons"] = {names[i]: reason for i, reason in batch.reasons.items()}
    return entry


class Pty:
    """The far end of a serial line: `path` is what the adapter opens."""

    def __init__(self) -> None:
        self._far, near = os.openpty()
        tty.setraw(near)
        self.path = os.ttyname(near)
        self._near: int | None = near
        os.set_blocking(self._far, False)
        self.heard = bytearray()
        asyncio.get_running_loop().add_reader(self._far, self._on_bytes)

    def _on_bytes(self) -> None:
        try:
            self.heard += os.read(self._far, 4096)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._far)
            return
        self.on_heard()

    def on_heard(self) -> None:
        """Bytes have come; a module answers here."""

    def send(self, data: bytes) -> None:
        """Bytes to the adapter."""
        os.write(self._far, data)

    def unplug(self) -> None:
        """The port is gone."""
        if self._near is not None:
            asyncio.get_running_loop().remove_reader(self._far)
            os.close(self._near)
            os.close(self._far)
            self._near = None


class XbeeModule(Pty):
    """An XBee module that answers queries by Digi's own library; `asked` are the commands, in order."""

    def __init__(self, mode: int = 1, answers: dict[str, list[bytes]] | None = None) -> None:
        super().__init__()
        self.is_escaped = mode == 2
        self._mode = OperatingMode.ESCAPED_API_MODE if mode == 2 else OperatingMode.API_MODE
        self._answers = {"AP": [bytes([mode])], **(answers or {})}
        self.asked: list[str] = []
        self.is_dead = False

    def on_heard(self) -> None:
        while len(self.heard) >= 8:  # every query is eight bytes, none of which is escaped
            packet = build_frame(bytearray(self.heard[:8]), self._mode)
            assert isinstance(packet, ATCommPacket)
            assert not packet.parameter, "a query with a value would set it"
            del self.heard[:8]
            self.asked.append(packet.command)
            for value in () if self.is_dead else self._answers.get(packet.command, ()):
                answer = ATCommResponsePacket(packet.frame_id, packet.command, ATCommandStatus.OK, bytearray(value))
                self.send(bytes(answer.output(escaped=self.is_escaped)))


async def until(is_so: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for it, no longer than that."""
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.002)
