"""libmodbus, a C library, as the far end: compiled once a run; TCP, and RTU with several units on one line of ptys."""

import asyncio
import os
import subprocess
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

SOURCE = Path(__file__).with_name("libmodbus_server.c")


@cache
def _server() -> str:
    """The compiled server."""
    program = Path(mkdtemp(prefix="libmodbus-")) / "server"
    command = ["cc", "-O2", "-I/usr/include/modbus", "-o", str(program), str(SOURCE), "-lmodbus"]
    subprocess.run(command, check=True)
    return str(program)


@asynccontextmanager
async def _running(*words: str) -> AsyncIterator[Callable[[], list[str]]]:
    """One server that is ready; gives what it said since."""
    process = subprocess.Popen([_server(), *words], stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout
    try:
        assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
        os.set_blocking(process.stdout.fileno(), False)
        yield lambda: (process.stdout.read() or b"").decode().split() if process.stdout else []
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@asynccontextmanager
async def tcp_server(port: int) -> AsyncIterator[Callable[[], list[str]]]:
    """A server on a port of loopback."""
    async with _running("tcp", str(port)) as said:
        yield said


class Bus:
    """Pseudo terminals that hear each other, as on RS-485."""

    def __init__(self) -> None:
        self._masters: dict[int, int] = {}

    def tap(self) -> str:
        """One more on the line; its path."""
        master, slave = os.openpty()
        tty.setraw(slave)
        self._masters[master] = slave
        asyncio.get_running_loop().add_reader(master, self._pass_on, master)
        return os.ttyname(slave)

    def _pass_on(self, source: int) -> None:
        data = os.read(source, 4096)
        for master in self._masters:
            if master != source:
                os.write(master, data)

    def close(self) -> None:
        for master, slave in self._masters.items():
            asyncio.get_running_loop().remove_reader(master)
            os.close(slave)
            os.close(master)


@asynccontextmanager
async def rtu_servers(*unit_ids: int) -> AsyncIterator[tuple[str, list[Callable[[], list[str]]]]]:
    """These units on one line: the path to open, and what each server said since."""
    bus = Bus()
    try:
        async with AsyncExitStack() as stack:
            said = [await stack.enter_async_context(_running("rtu", bus.tap(), str(unit))) for unit in unit_ids]
            yield bus.tap(), said
    finally:
        bus.close()
