"""`streamforge probe xbee PORT`: which XBee nodes answer or are heard behind a module, and what each sent.

It only asks: for the nodes (ND) and how strong the last message was heard (DB).
"""

import argparse
from collections.abc import Sequence

from streamforge.adapters.probing import Finding, Table
from streamforge.adapters.radio_sight import DASH, registers_table
from streamforge.adapters.xbee_line import XbeeLine
from streamforge.adapters.xbee_packets import Endpoints
from streamforge.adapters.xbee_survey import Found, configuration, nodes

_SECONDS = 15.0
_BAUD_RATE = 9600
_HINT = "are ID and CH of module and nodes the same (`streamforge xbee get`)? A node that sleeps is heard when it sends"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a person says of the module."""
    parser.add_argument(
        "port", help="for example /dev/serial/by-id/usb-Digi_XBee (`streamforge probe serial` lists them)"
    )
    parser.add_argument("--baud-rate", type=int, default=_BAUD_RATE, help=f"{_BAUD_RATE}, unless it says otherwise")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help=f"how long is listened ({_SECONDS:g})")


async def probe(given: argparse.Namespace) -> Finding:
    """Look. Raises ValueError for what cannot be meant, NotConnected where no module answers."""
    if given.seconds <= 0:
        msg = f"--seconds {given.seconds:g} must be above 0"
        raise ValueError(msg)
    line = XbeeLine(given.port, given.baud_rate)
    await line.open()
    mode = 2 if line.reader.is_escaped else 1
    try:
        found = await nodes(line, given.seconds)
    finally:
        line.close()
    module = f"{given.port}: a module in API mode {mode}"
    if not found:
        return Finding(summary=f"{module}, but no node answers or is heard within {given.seconds:g} s: {_HINT}")
    return Finding(
        summary=f"{module}, {len(found)} node{'' if len(found) == 1 else 's'} within {given.seconds:g} s",
        tables=tables_of(found),
        toml=configuration(given.port, given.baud_rate, found),
    )


def tables_of(found: Sequence[Found]) -> list[Table]:
    """The nodes, and each payload in every type side by side."""
    columns = ("address", "name", "messages", "frames", "RSSI", "last payload", "pins", "application")
    sent = (
        registers_table(
            f"{one.node:016X} {one.name}".rstrip() + f", last payload, {len(one.payload)} bytes", one.payload
        )
        for one in found
        if one.payload
    )
    return [Table(title="nodes", columns=columns, rows=tuple(_row(one) for one in found)), *sent]


def _row(one: Found) -> tuple[str, ...]:
    return (
        f"{one.node:016X}",
        one.name,
        str(one.messages),
        ", ".join(f"{kind} ({count})" for kind, count in sorted(one.frames.items())),
        DASH if one.rssi_dbm is None else str(one.rssi_dbm),
        one.payload.hex(" ") or DASH,
        " ".join(f"{pin}={value}" for pin, value in one.pins.items()) or DASH,
        _words(one.endpoints),
    )


def _words(ends: Endpoints | None) -> str:
    """Of explicit frames, as their four keys are written."""
    if ends is None:
        return DASH
    return (
        f"0x{ends.source:02X} to 0x{ends.destination:02X}, cluster 0x{ends.cluster:04X}, profile 0x{ends.profile:04X}"
    )
