"""`streamforge sim`: the simulated plant, or a load of registers, on one port until SIGTERM."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from streamforge.notify import Notifier
from streamforge.sim.line import Line
from streamforge.sim.load import LoadConnection
from streamforge.sim.plant import ASSETS, DEFAULT_SEED, Plant
from streamforge.sim.server import Connection, Reply

if TYPE_CHECKING:
    from streamforge.sim.field import Field

DEFAULT_PORT = 15020
CHECK_SECONDS = 0.2


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    words = argparse.ArgumentParser(prog="streamforge sim", description="a simulated plant on Modbus TCP")
    words.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    words.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    words.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another seed, another plant")
    words.add_argument("--faults", action="store_true", help="silence, exceptions, slow and wild answers, reboots")
    words.add_argument("--line", type=Path, metavar="PATH", help="a serial line to the same machines, under this name")
    words.add_argument(
        "--field", type=Path, metavar="DIR", help="also the rest of the plant; its serial lines stand there"
    )
    words.add_argument(
        "--state", type=Path, default=Path(), metavar="DIR", help="where --field keeps certificate, counters"
    )
    words.add_argument("--opcua-port", type=int, default=14840, help="of the rest (default: %(default)s)")
    words.add_argument("--broker", default="mqtt://gateway@127.0.0.1:11883", help="of the rest (default: %(default)s)")
    words.add_argument(
        "--forward-to", type=address, default="127.0.0.1:1700", help="LoRaWAN uplinks (default: %(default)s)"
    )
    words.add_argument("--load", type=load_size, metavar="DEVICESxREGISTERS", help="INT16 registers, no plant")
    return words


def load_size(text: str) -> tuple[int, int]:
    """Devices and registers of `10x200`."""
    devices, _, registers = text.lower().partition("x")
    is_size = devices.isdecimal() and registers.isdecimal()
    if not is_size or not 1 <= int(devices) <= 247 or not 1 <= int(registers) <= 65536:
        msg = f"{text!r} is not DEVICESxREGISTERS such as 10x200 (at most 247 devices, 65536 registers)"
        raise argparse.ArgumentTypeError(msg)
    return int(devices), int(registers)


def address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:1700`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        msg = f"{text!r} is not HOST:PORT such as 127.0.0.1:1700"
        raise argparse.ArgumentTypeError(msg)
    return host, int(port)


def run(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C; the first line of output is the address. Returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        asyncio.run(serve(options))
    except OSError as error:
        sys.stderr.write(f"streamforge sim: {options.host}:{options.port}: {error.strerror or error}\n")
        return 1
    return 0


async def serve(options: argparse.Namespace) -> None:
    """Listen, say so, and stay. Raises OSError where the address cannot be had."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.load:
        devices, registers = options.load
        await _listen(options, lambda: LoadConnection(devices, registers), f"{devices} devices x {registers} registers")
        await stop.wait()
    else:
        await _serve_plant(options, stop)
    Notifier().stopping()


async def _serve_plant(options: argparse.Namespace, stop: asyncio.Event) -> None:
    """The plant answers; while its controller reboots, connections are dropped and nobody listens."""
    plant = Plant(started=time(), seed=options.seed, has_faults=options.faults)
    connections: set[Connection] = set()

    def answer(unit_id: int, function: int, start: int, count: int) -> Reply:
        return plant.answer(time(), unit_id, function, start, count)

    points = sum(len(asset.points) for asset in ASSETS)
    make = partial(Connection, answer, connections)
    line = Line(options.line, answer) if options.line else None
    field = await _start_field(options) if options.field else None
    server = await _listen(options, make, f"{len(ASSETS)} machines, {points} points")
    host, port = server.sockets[0].getsockname()[:2]
    while (options.faults or field) and not stop.is_set():
        if field and (error := field.failed()):
            raise error
        if plant.is_down(time()) and server.is_serving():
            server.close()
            for connection in list(connections):
                connection.close()
        elif not plant.is_down(time()) and not server.is_serving():
            server = await asyncio.get_running_loop().create_server(make, host, port)
        await _wait(stop, CHECK_SECONDS)
    await stop.wait()
    if line:
        line.close()
    if field:
        await field.stop()


async def _start_field(options: argparse.Namespace) -> "Field":
    from streamforge.sim.field import Field, FieldPlaces  # an OPC UA library with all that it needs

    places = FieldPlaces(
        directory=options.field, state=options.state, opcua_port=options.opcua_port, broker=options.broker,
        forward_to=options.forward_to,
    )  # fmt: skip
    field = Field(places, seed=options.seed, has_faults=options.faults)
    await field.start()
    return field


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _listen(options: argparse.Namespace, make: Callable[[], asyncio.Protocol], what: str) -> asyncio.Server:
    server = await asyncio.get_running_loop().create_server(make, options.host, options.port)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{options.host}:{port}\n")
    sys.stdout.flush()
    notifier = Notifier()
    notifier.ready()
    notifier.status(f"serving {what} on {options.host}:{port}")
    return server
