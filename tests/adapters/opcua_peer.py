"""What the tests of the OPC UA adapter stand between: a server that does as told, a link that can be cut, an inbox."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamforge.adapters.base import Batch, Refused
from streamforge.adapters.opcua import OpcUa
from streamforge.adapters.opcua_config import OpcUaConfig
from streamforge.errors import NotConnected
from streamforge.model import Alarm, Event, Value

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Told:
    """The server of `tests.adapters.opcua_server`, in a process of its own."""

    def __init__(self, port: int, pki: Path | None = None, others: int = 1) -> None:
        self.port = port
        words = [sys.executable, "-m", "tests.adapters.opcua_server", str(port), str(others)]
        words += [str(pki)] if pki else []
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, bufsize=1
        )
        assert self._line() == "ready", "the server did not start"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self, **order: Any) -> Any:
        """Have it do something; its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        return json.loads(self._line())

    def stop(self, *, kill: bool = False) -> None:
        """Stop it in order, or at once."""
        assert self._process.stdin is not None
        if kill:
            self._process.kill()
        self._process.stdin.close()
        self._process.wait(20)


@contextmanager
def server(pki: Path | None = None, port: int = 0, others: int = 1) -> Iterator[Told]:
    """One that runs."""
    told = Told(port or free_port(), pki, others)
    try:
        yield told
    finally:
        told.stop(kill=True)


@dataclass
class Cable:
    """A link to a port of loopback over a port of its own; cut, nothing gets through and nobody is told.

    `asked` is what the client sent; `change` is done to what the server answers.
    """

    target: int
    port: int = 0
    is_cut: bool = False
    connections: int = 0
    change: Callable[[bytes], bytes] = bytes
    asked: bytearray = field(default_factory=bytearray)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.is_cut:
            writer.close()
            return
        self.connections += 1
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        self._writers += [writer, there_writer]
        with suppress(asyncio.CancelledError):
            await asyncio.gather(
                self._pass(reader, there_writer, self._note),
                self._pass(there_reader, writer, self._changed),
            )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65536):
                if not self.is_cut:
                    writer.write(change(data))
                    await writer.drain()
        writer.close()

    def _changed(self, data: bytes) -> bytes:
        return self.change(data)

    def _note(self, data: bytes) -> bytes:
        self.asked += data
        return data

    def cut(self, *, hang_up: bool) -> None:
        """Nothing passes any more; `hang_up` says so to both ends."""
        self.is_cut = True
        if hang_up:
            for writer in self._writers:
                writer.close()

    def mend(self) -> None:
        """New connections pass; the old ones are gone."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self.is_cut = False


@asynccontextmanager
async def cable(target: int) -> AsyncIterator[Cable]:
    """The link, on a free port."""
    link = Cable(target)
    listener = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.port = listener.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        link.cut(hang_up=True)
        listener.close()


def _nothing() -> None:
    return None


class Box:
    """An inbox that keeps everything; `is_logging` False = the log acknowledges nothing."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.signals: list[Event | Alarm] = []
        self.refused: list[Refused] = []
        self.is_logging = True
        self.owed: list[Callable[[], None]] = []

    def _done(self, done: Callable[[], None]) -> None:
        self.owed.append(done)
        if self.is_logging:
            self.acknowledge()

    def acknowledge(self) -> None:
        """The log has everything."""
        owed, self.owed = self.owed, []
        for done in owed:
            done()

    async def put(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._done(batch.done)

    def offer(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._done(batch.done)

    def signal(self, signal: Event | Alarm, done: Callable[[], None] = _nothing) -> None:
        self.signals.append(signal)
        self._done(done)

    def refuse(self, refused: Refused, done: Callable[[], None] = _nothing) -> None:
        self.refused.append(refused)
        self._done(done)

    def readings(self, parameter: str) -> list[tuple[Value, int, str]]:
        """Value, quality and reason of each reading of a parameter, as they came."""
        found: list[tuple[Value, int, str]] = []
        for batch in self.batches:
            for index, name in enumerate(batch.names.parameters):
                if name == parameter:
                    quality = batch.qualities[index] if batch.qualities else 0
                    found.append((batch.others.get(index, batch.values[index]), quality, batch.reasons.get(index, "")))
        return found

    def values(self, parameter: str) -> list[Value]:
        """The values of a parameter that are not BAD."""
        return [value for value, quality, _ in self.readings(parameter) if quality != 3]

    @property
    def alarms(self) -> list[Alarm]:
        """The alarms, as they came."""
        return [one for one in self.signals if isinstance(one, Alarm)]

    def events(self, kind: str) -> list[Event]:
        """The events of a type."""
        return [one for one in self.signals if isinstance(one, Event) and one.type == kind]


class Run:
    """The adapter, connected and listened to again and again, as its runner does."""

    def __init__(self, config: OpcUaConfig, state: Path) -> None:
        self.adapter, self.box = OpcUa(config), Box()
        self.adapter.place("line", state)
        self.errors: list[str] = []
        self.connected = 0
        self.work: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether nothing but what a runner handles was raised."""
        return self.work is not None and not self.work.done()

    async def forever(self) -> None:
        """Until cancelled."""
        (peer,) = self.adapter.peers
        while True:
            try:
                await self.adapter.connect(peer)
                self.connected += 1
                await self.adapter.listen(peer, self.box)
            except (NotConnected, OSError) as error:
                self.errors.append(str(error))
                await asyncio.sleep(0.1)

    async def until(self, is_so: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        """Wait until it is so."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, f"did not happen: {what}; {self.errors[-3:]}, {self.adapter.remarks()}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(config: OpcUaConfig, state: Path) -> AsyncIterator[Run]:
    """The adapter at work."""
    run = Run(config, state)
    work = run.work = asyncio.create_task(run.forever())
    try:
        yield run
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await run.adapter.close()
