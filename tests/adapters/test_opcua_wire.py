"""What goes over the wire: nothing that changes a server; and what a server may send that no adapter dies of."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from streamforge.adapters.opcua import OpcUa
from streamforge.adapters.opcua_config import BrowseRow
from streamforge.errors import NotConnected
from tests.adapters.opcua_peer import Cable, Told, cable, running, server
from tests.adapters.test_opcua import NAMESPACE, config, rows

READS = {
    "CreateSession", "ActivateSession", "CloseSession", "Read", "Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds",
    "CreateSubscription", "DeleteSubscriptions", "TransferSubscriptions", "Publish", "Republish",
    "CreateMonitoredItems", "DeleteMonitoredItems", "GetEndpoints", "CloseSecureChannel", "OpenSecureChannel", "Call",
}  # fmt: skip
ALLOWED = {getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary"): name for name in READS}


@pytest.fixture(scope="module")
def plant() -> Iterator[Told]:
    with server() as told:
        yield told


def go(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def requests(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The encoding id and body of each message of a client without security."""
    at = 0
    while at + 8 <= len(stream):
        kind, size = stream[at : at + 3], int.from_bytes(stream[at + 4 : at + 8], "little")
        if kind == b"MSG":
            body = stream[at + 24 : at + size]
            assert body[0] == 1, "a four-byte node id of namespace 0"
            yield int.from_bytes(body[2:4], "little"), body
        at += size


def test_only_services_that_read_go_over_the_wire_and_the_one_method_is_condition_refresh(
    plant: Told, tmp_path: Path
) -> None:
    async def main() -> None:
        async with cable(plant.port) as link:
            row = BrowseRow(at=f"{NAMESPACE}Plant", param="b.{name}")
            settings = config(link.port, *rows("Counter", "Nope"), browse=(row,))
            settings = replace(settings, subscription=replace(settings.subscription, alarms=True))
            async with running(settings, tmp_path) as run:
                await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
                link.cut(hang_up=True)
                link.mend()
                seen = len(run.box.values("Counter"))
                await run.until(lambda: len(run.box.values("Counter")) > seen + 10, "readings after a cut")
            seen_ids = {number for number, _ in requests(bytes(link.asked))}
            assert seen_ids <= ALLOWED.keys()
            assert {"Read", "Publish", "Republish", "Call"} <= {ALLOWED[number] for number in seen_ids}
            calls = [body for number, body in requests(bytes(link.asked)) if ALLOWED[number] == "Call"]
            refresh = b"\x01\x00" + ua.ObjectIds.ConditionType_ConditionRefresh.to_bytes(2, "little")
            assert all(refresh in body for body in calls)

    go(main())


def test_a_server_that_is_slow_is_waited_for(plant: Told, tmp_path: Path) -> None:
    """Each answer takes a little longer than the second after which the library's own watchdog gives up."""

    class Slow(Cable):
        async def _pass(
            self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
        ) -> None:
            while data := await reader.read(65536):
                await asyncio.sleep(0.55)
                writer.write(change(data))

    async def main() -> None:
        link = Slow(plant.port)
        listener = await asyncio.start_server(link.serve, "127.0.0.1", 0)
        settings = config(listener.sockets[0].getsockname()[1], *rows("Counter"))
        settings = replace(settings, source=replace(settings.source, timeout_ms=5000))
        async with running(settings, tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 20, "readings", 60.0)
            assert (run.connected, run.errors) == (1, [])
        listener.close()

    go(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 64,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"ACKF\x1c\x00\x00\x00" + b"\xff" * 20,
        b"MSGF\xff\xff\xff\x7f",
    ],
)
def test_who_is_no_opcua_server_is_a_peer_that_is_away(tmp_path: Path, answer: bytes) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(8)
            writer.write(answer)
            await asyncio.sleep(2)
            writer.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        settings = config(port, *rows("Counter"))
        adapter = OpcUa(replace(settings, source=replace(settings.source, timeout_ms=500)))
        adapter.place("line", tmp_path)
        with pytest.raises(NotConnected, match=str(port)):
            await adapter.connect(adapter.peers[0])
        await adapter.close()
        listener.close()

    go(main())


@pytest.mark.parametrize("seed", range(2))
def test_answers_that_are_damaged_on_the_way_end_a_connection_and_never_the_adapter(
    plant: Told, tmp_path: Path, seed: int
) -> None:
    """Bytes of some answers are changed; when that ends, readings come again."""
    chance = random.Random(seed)

    def damaged(data: bytes) -> bytes:
        changed = bytearray(data)
        if chance.random() < 0.2:
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)

    async def main() -> None:
        async with cable(plant.port) as link:
            settings = config(link.port, *rows("Counter", "List", "Text"))
            settings = replace(settings, source=replace(settings.source, timeout_ms=500))
            async with running(settings, tmp_path) as run:
                await run.until(lambda: len(run.box.values("Counter")) > 5, "readings")
                link.change = damaged
                await asyncio.sleep(2)
                assert run.is_alive, "the adapter's work has ended"
                link.change = bytes
                seen = len(run.box.batches)
                await run.until(lambda: len(run.box.batches) > seen + 10, "readings again", 40.0)

    go(main())
