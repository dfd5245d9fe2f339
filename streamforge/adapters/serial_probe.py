"""`streamforge probe serial`: the serial ports of this machine, by the names that outlive a replug."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from serial.tools.list_ports import comports
from serial.tools.list_ports_common import ListPortInfo

from streamforge.adapters.probing import Finding, Table

BY_ID = Path("/dev/serial/by-id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing is to be said: it is this machine that is looked at."""
    parser.set_defaults(by_id=BY_ID)


async def probe(given: argparse.Namespace) -> Finding:
    """List them."""
    names = _names(given.by_id)
    ports = [port for port in sorted(comports()) if port.hwid != "n/a" or port.device in names]
    if not ports:
        return Finding(summary="no serial port: plug one in, and look at `dmesg` if it does not show here")
    rows = tuple(_row(port, names.get(port.device, port.device)) for port in ports)
    columns = ("port", "now", "maker", "product", "serial number")
    return Finding(
        summary=f"{len(ports)} serial ports",
        tables=(Table(title="Write the first column into the configuration.", columns=columns, rows=rows),),
        toml="".join(f'port = "{row[0]}"\n' for row in rows),
    )


def _row(port: ListPortInfo, name: str) -> tuple[str, ...]:
    return (
        name,
        port.device,
        port.manufacturer or "",
        port.product or port.description or "",
        port.serial_number or "",
    )


def _names(by_id: Path) -> dict[str, str]:
    """Device -> the name that stays when it is plugged in elsewhere."""
    links: Iterable[Path] = sorted(by_id.iterdir()) if by_id.is_dir() else ()
    return {str(link.resolve()): str(link) for link in links}
