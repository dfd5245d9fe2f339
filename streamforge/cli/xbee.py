"""`streamforge xbee nodes|get PORT`: what there is behind an XBee module. It only asks."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from streamforge.adapters.xbee_line import XbeeLine
from streamforge.adapters.xbee_packets import QUERIES
from streamforge.adapters.xbee_survey import PARAMETERS, Found, configuration, nodes, parameters


def run(arguments: list[str]) -> int:
    """Print what was found; 1 = nobody was. Raises NotConnected where the module does not answer."""
    given = _parser().parse_args(arguments)
    work = _nodes if given.what == "nodes" else _get
    return asyncio.run(_with_line(given, work))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="streamforge xbee")
    commands = parser.add_subparsers(dest="what", required=True)
    listed = commands.add_parser("nodes", help="nodes that answer a discovery or are heard")
    listed.add_argument("--seconds", type=float, default=15.0, help="how long is listened (15)")
    listed.add_argument("--toml", action="store_true", help="print a configuration that reads them")
    got = commands.add_parser("get", help="AT parameters of the module")
    for command in (listed, got):
        command.add_argument("port", help="for example /dev/serial/by-id/usb-Digi_XBee")
        command.add_argument("--baud-rate", type=int, default=9600, help="9600, unless it says otherwise")
    got.add_argument(
        "parameters", nargs="*", type=_parameter, metavar="AT", help=f"{' '.join(PARAMETERS)}, unless it says otherwise"
    )
    return parser


def _parameter(text: str) -> str:
    """An AT command that only asks. Raises ArgumentTypeError."""
    if text.upper() not in QUERIES:
        msg = f"{text!r} is no parameter that can be asked for; commands that act are not sent"
        raise argparse.ArgumentTypeError(msg)
    return text.upper()


Work = Callable[[XbeeLine, argparse.Namespace], Coroutine[Any, Any, int]]


async def _with_line(given: argparse.Namespace, work: Work) -> int:
    line = XbeeLine(given.port, given.baud_rate)
    await line.open()
    try:
        return await work(line, given)
    finally:
        line.close()


async def _get(line: XbeeLine, given: argparse.Namespace) -> int:
    found = await parameters(line, given.parameters or PARAMETERS)
    for command, value in found.items():
        print(f"{command}  {value}")
    return 0 if found else 1


async def _nodes(line: XbeeLine, given: argparse.Namespace) -> int:
    found = await nodes(line, given.seconds)
    if given.toml:
        print(configuration(given.port, given.baud_rate, found), end="")
    else:
        print(f"{'address':<16}  {'name':<20}  {'messages':>8}  last payload, pins")
        for one in found:
            print(f"{one.node:016X}  {one.name:<20}  {one.messages:>8}  {_heard(one)}")
    return 0 if found else 1


def _heard(one: Found) -> str:
    pins = " ".join(f"{pin}={value}" for pin, value in one.pins.items())
    return f"{one.payload.hex(' ')} {pins}".strip()
