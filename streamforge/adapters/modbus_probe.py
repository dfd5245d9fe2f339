"""`streamforge probe modbus HOST | PORT`: which units answer, which registers they have, in every type.

It only reads. How the registers are shown is in `modbus_sight`.
"""

import argparse
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from streamforge.adapters.byte_stream import TcpStream
from streamforge.adapters.modbus_failures import Failure
from streamforge.adapters.modbus_framing import MbapFraming
from streamforge.adapters.modbus_link import LineTiming, Link, Patience
from streamforge.adapters.modbus_question import Question
from streamforge.adapters.modbus_rtu_config import LineSource
from streamforge.adapters.modbus_rtu_framing import RtuFraming
from streamforge.adapters.modbus_sight import Values, tables_of, toml_of
from streamforge.adapters.modbus_tcp_config import MODBUS_PORT
from streamforge.adapters.probing import Finding
from streamforge.adapters.registers import Table, parse_address
from streamforge.adapters.serial_port import Parity, SerialPort
from streamforge.errors import NotConnected

MOST_UNITS, MOST_REGISTERS = 247, 2_000
_REQUEST_REGISTERS, _REQUEST_BITS = 100, 800
_GATEWAY = ("gateway_path",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`count` addresses of a table from `start`, counted from 0."""

    table: Table
    start: int
    count: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a person says of the device."""
    parser.add_argument("host", help="HOST, HOST:PORT, or a serial port: /dev/serial/by-id/...")
    parser.add_argument("--units", default="1-10", help="unit ids to try, for example 1-32 or 1,3,17 (default: 1-10)")
    parser.add_argument(
        "--at",
        action="append",
        metavar="RANGE",
        help="registers to look at, for example HR0:50 (default: the first 20 of all)",
    )
    parser.add_argument("--timeout-ms", type=int, default=500)
    line = parser.add_argument_group("of a serial line")
    line.add_argument("--baud-rate", type=int, default=19_200, help="19200, unless it says otherwise")
    line.add_argument("--parity", choices=[one.value for one in Parity], default=Parity.EVEN.value)
    line.add_argument("--stop-bits", type=int, choices=(1, 2), default=1)


async def probe(given: argparse.Namespace) -> Finding:
    """Look. Raises ValueError for what cannot be meant, NotConnected where nobody is there."""
    units, spans = _numbers(given.units), [_span(text) for text in given.at or ("HR0:20", "IR0:20", "CO0:20", "DI0:20")]
    link, head = _way(given)
    look = _Look(link, given.timeout_ms / 1000)
    try:
        found = {unit: values for unit in units if (values := await look.unit(unit, spans)) is not None}
    finally:
        link.close()
    if not found:
        return Finding(summary=f"{link.address}: connects, but none of the units {given.units} answers")
    return Finding(
        summary=f"{link.address}: {len(found)} of {len(units)} units answer: {', '.join(map(str, found))}",
        tables=tables_of(found),
        toml=toml_of(head, found),
    )


def _way(given: argparse.Namespace) -> tuple[Link, str]:
    """The way to the units, and how a configuration begins that takes it.

    Silent units are what a scan is full of: they are no sign that the connection is gone.
    """
    if given.host.startswith("/"):
        line = LineSource(
            port=given.host, baud_rate=given.baud_rate, parity=Parity(given.parity), stop_bits=given.stop_bits
        )
        timing = LineTiming(character_seconds=line.character_seconds, quiet_seconds=line.quiet_seconds)
        head = (
            f'protocol = "modbus_rtu"\n\n[source]\nport = "{line.port}"\nbaud_rate = {line.baud_rate}\n'
            f'parity = "{line.parity.value}"\nstop_bits = {line.stop_bits}'
        )
        return Link(SerialPort(line), RtuFraming(), timing=timing, is_silence_loss=False), head
    host, _, text = given.host.partition(":")
    port = int(text or MODBUS_PORT)
    head = f'protocol = "modbus_tcp"\n\n[source]\nhost = "{host}"\nport = {port}'
    return Link(TcpStream(host, port), MbapFraming(), is_silence_loss=False), head


class _Look:
    """Questions to one host."""

    def __init__(self, link: Link, timeout_seconds: float) -> None:
        self._link = link
        self._patience = Patience(timeout_seconds=timeout_seconds)

    async def unit(self, unit: int, spans: list[Span]) -> Values | None:
        """What a unit has in these spans, by table and address; None where it does not answer at all."""
        is_there, found = False, Values()
        for span in spans:
            for part in _parts(span):
                outcome = await self._ask(unit, part)
                if outcome is None:  # silence: the unit is not there, or fell silent
                    return found if is_there else None
                is_there = True
                found.setdefault(span.table, {}).update(outcome)
        return found

    async def _ask(self, unit: int, span: Span) -> dict[int, int] | None:
        """The values of a span; where the device refuses a part of it, of the rest. None = silence."""
        answer = await self._read(unit, span)
        if isinstance(answer, bytes):
            return dict(enumerate(_cells(span, answer), span.start))
        if answer is None or answer.is_silence or answer.reason.startswith(_GATEWAY):
            return None
        if span.count == 1:
            return {}
        half = span.count // 2
        found: dict[int, int] = {}
        for start, count in ((span.start, half), (span.start + half, span.count - half)):
            found |= await self._ask(unit, Span(table=span.table, start=start, count=count)) or {}
        return found

    async def _read(self, unit: int, span: Span) -> bytes | Failure | None:
        """None where the connection was lost over it, as over a unit that is not there."""
        await self._link.connect(self._patience)
        try:
            return await self._link.read(Question(span.table, unit, span.start, span.count), self._patience)
        except NotConnected:
            return None


def _cells(span: Span, answer: bytes) -> list[int]:
    if span.table.is_bits:
        bits = int.from_bytes(answer, "little")
        return [bits >> place & 1 for place in range(span.count)]
    return list(struct.unpack(f">{span.count}H", answer))


def _parts(span: Span) -> Iterator[Span]:
    most = _REQUEST_BITS if span.table.is_bits else _REQUEST_REGISTERS
    for at in range(span.start, span.start + span.count, most):
        yield Span(table=span.table, start=at, count=min(most, span.start + span.count - at))


def _span(text: str) -> Span:
    address = parse_address(text)
    count = address.count or 1
    if address.bit is not None or address.part or count > MOST_REGISTERS:
        msg = f"range {text!r} is not understood: write for example HR0:50, at most {MOST_REGISTERS} registers"
        raise ValueError(msg)
    return Span(table=address.table, start=address.start, count=count)


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.strip().isdecimal() or not (last or first).strip().isdecimal():
            msg = f"units {text!r} are not understood: write for example 1-32 or 1,3,17"
            raise ValueError(msg)
        found += range(int(first), int(last or first) + 1)
    if not found or max(found) > MOST_UNITS:
        msg = f"units {text!r}: a unit id is 0 to {MOST_UNITS}"
        raise ValueError(msg)
    return found
