"""What the tests of the mqtt adapter share: a small configuration, an adapter that listens, work with a time limit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters.mqtt import Mqtt
from streamforge.adapters.mqtt_config import MqttConfig, PayloadKind, TopicRow
from streamforge.adapters.mqtt_source import Source, Version
from streamforge.adapters.tags import Classification, TagRow
from streamforge.errors import NotConnected
from tests.adapters.mqtt_peers import Box

ROWS = (
    TopicRow(topic="plant/{asset_id}/{param}", payload=PayloadKind.NUMBER),
    TopicRow(topic="json/{asset_id}", payload=PayloadKind.JSON, tags=(
        TagRow(param="door", at="$.door", classification=Classification.EVENT),
    )),
)  # fmt: skip


def settings(port: int, version: Version = Version.V5, rows: tuple[TopicRow, ...] = ROWS, **source: Any) -> MqttConfig:
    keys: dict[str, Any] = {"broker": f"mqtt://127.0.0.1:{port}", "client_id": "under-test", "connect_timeout_s": 3}
    return MqttConfig(source=Source(version=version, **{**keys, **source}), topics=rows)


def adapter(config: MqttConfig, state: Path | None = None) -> Mqtt:
    made = Mqtt(config)
    made.state_directory = state
    return made


@asynccontextmanager
async def listening(mqtt: Mqtt, box: Box) -> AsyncIterator["asyncio.Task[None]"]:
    """Connected, listening and, unless the broker is deaf, subscribed; the task ends with what `listen` raises."""
    await mqtt.connect(mqtt.peers[0])
    task = asyncio.create_task(mqtt.listen(mqtt.peers[0], box))
    for _ in range(20):
        if not any("not answered" in remark for remark in mqtt.remarks()) or task.done():
            break
        await asyncio.sleep(0.01)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, NotConnected):
            await task


async def until(is_so: Callable[[], object], what: str = "it") -> None:
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{what} did not happen")


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def away(work: Callable[[], Any]) -> Any:
    """Publishers block: in a thread."""
    return await asyncio.to_thread(work)
