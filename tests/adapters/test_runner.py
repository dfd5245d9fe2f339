"""The runner of pollers: it comes to an end whatever the library below an adapter does with a cancellation."""

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from streamforge.adapters.base import AdapterConfig, Batch, Device, Poller
from streamforge.adapters.epochs import Epochs
from streamforge.adapters.runner import PollerComponent
from streamforge.bus.connection import Connection
from streamforge.model import names

DEVICE = Device(key="pump", asset_id="pump", interval_seconds=0.0, names=names(("speed",), ("rpm",), b"\x00"))


class AnswersWhenCancelled(Poller[AdapterConfig]):
    """Each scan waits for its answer, which comes with the cancellation: `wait_for` of Python 3.11 drops that one."""

    Config = AdapterConfig
    scans = 0

    @property
    def devices(self) -> Sequence[Device]:
        return (DEVICE,)

    async def connect(self, device: Device) -> None:
        pass

    async def poll(self, device: Device) -> Batch:
        self.scans += 1
        if self.scans < 3:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60.0)
        else:
            await asyncio.sleep(60.0)
        return Batch(asset_id="pump", names=DEVICE.names, values=(1.0,))

    async def close(self) -> None:
        pass


@pytest.mark.timeout(20)
def test_a_stop_that_comes_with_an_answer_still_ends_the_unit(tmp_path: Path) -> None:
    Epochs(tmp_path, "line").begin()
    nowhere = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")
    adapter = AnswersWhenCancelled(AdapterConfig())
    component = PollerComponent(adapter, "test", "line", connection=nowhere, state_directory=tmp_path)
    component.open()
    while not adapter.scans:
        component.step(threading.Event())
    component.drain(time.monotonic() + 5.0)
    component.close()
    assert adapter.scans == 3
