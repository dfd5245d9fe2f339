"""`streamforge bench line`: how busy modbus-rtu keeps a serial line, against what its baud rate bears.

The far end is a process of its own that takes the time that characters take: a request's, the silence before the
answer, the answer's. Theory is that and the silence before the next request, with nothing in between.
"""

import argparse
import asyncio
import json
import os
import time
import tty
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from streamforge.adapters.modbus_config import RegisterRow, UnitRow
from streamforge.adapters.modbus_rtu import ModbusRtu
from streamforge.adapters.modbus_rtu_config import LineSource, ModbusRtuConfig
from streamforge.adapters.tags import DataType
from streamforge.errors import Fatal
from streamforge.sim.line import REQUEST_BYTES, crc16

BAUD_RATES = (9600, 19_200, 115_200)
REGISTERS = (1, 10, 125)
REQUESTS_A_SCAN = 10
_SPIN_SECONDS = 0.002
_ANSWER_BYTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFigures:
    """What was seen: `busy_share` is theory divided by time taken."""

    baud_rate: int
    registers: int
    busy_share: float
    requests_per_second: float
    cpu_us_per_request: float


def run(arguments: Sequence[str]) -> int:
    """Measure and print a table, and as last line one JSON object."""
    parser = argparse.ArgumentParser(prog="streamforge bench line", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default: %(default)s)")
    seconds = parser.parse_args(arguments).seconds
    found = [measure(baud, registers, seconds) for baud in BAUD_RATES for registers in REGISTERS]
    print(f"{'baud':>7} {'registers':>9} {'busy %':>7} {'requests/s':>10} {'CPU us/request':>14}")
    for one in found:
        print(
            f"{one.baud_rate:>7} {one.registers:>9} {one.busy_share * 100:>7.1f} {one.requests_per_second:>10.1f} "
            f"{one.cpu_us_per_request:>14.0f}"
        )
    print(json.dumps([asdict(one) for one in found]))
    return 0


def measure(baud_rate: int, registers: int, seconds: float) -> LineFigures:
    """Read as fast as the line bears, for so long. Raises Fatal where a reading is not good."""
    master, slave = os.openpty()
    tty.setraw(slave)
    source = LineSource(port=os.ttyname(slave), baud_rate=baud_rate)
    far = get_context("fork").Process(target=_far_end, args=(master, source, registers), daemon=True)
    far.start()
    try:
        return asyncio.run(_read(source, registers, seconds))
    finally:
        far.kill()
        far.join()
        os.close(slave)
        os.close(master)


async def _read(source: LineSource, registers: int, seconds: float) -> LineFigures:
    rows = tuple(
        RegisterRow(param=f"p{number}", at=f"HR{number * 500}:{registers}", type=DataType.UINT16)
        for number in range(REQUESTS_A_SCAN)
    )
    modbus = ModbusRtu(ModbusRtuConfig(source=source, devices=(UnitRow(asset_id="line", tags=rows),)))
    device = modbus.devices[0]
    await modbus.connect(device)
    await modbus.poll(device)
    scans, began, cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        if (await modbus.poll(device)).reasons:
            raise Fatal(f"{source.baud_rate} baud: not every reading was good")
        scans += 1
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    await modbus.close()
    requests = scans * REQUESTS_A_SCAN
    theory = requests * theory_seconds(source, registers)
    return LineFigures(
        baud_rate=source.baud_rate,
        registers=registers,
        busy_share=theory / took,
        requests_per_second=requests / took,
        cpu_us_per_request=cpu / requests * 1_000_000,
    )


def theory_seconds(source: LineSource, registers: int) -> float:
    """What a request for so many registers takes at least: its characters, the answer's, the silence before each."""
    characters = REQUEST_BYTES + _ANSWER_BYTES + 2 * registers
    return characters * source.character_seconds + 2 * source.quiet_seconds


def serve_line(path: Path, baud_rate: int, registers: int) -> None:
    """Be the far end of a line under that name, for requests of so many registers, until killed."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path.symlink_to(os.ttyname(slave))
    _far_end(master, LineSource(port=str(path), baud_rate=baud_rate), registers)


def _far_end(master: int, source: LineSource, registers: int) -> None:
    """Answers every request with zeros, when the last character would have come."""
    body = bytes([source.unit_id, 3, 2 * registers]) + bytes(2 * registers)
    answer = body + crc16(body)
    takes = (REQUEST_BYTES + len(answer)) * source.character_seconds + source.quiet_seconds
    came = 0
    while True:
        came += len(os.read(master, 4096))
        until = time.monotonic() + takes
        while came >= REQUEST_BYTES:
            came -= REQUEST_BYTES
            time.sleep(max(0.0, until - time.monotonic() - _SPIN_SECONDS))
            while time.monotonic() < until:
                pass
            os.write(master, answer)
