"""Every folder of tests/cases/modbus-tcp and modbus-rtu with a wire.json: what goes wrong, and what is read.

wire.json: the n-th request is answered by the n-th list of steps, all that follow by the last. A step is one of
  answer [function N] [count N] [unit N] [transaction N] [cut N] [flip N]   the right answer (register n holds n, bit n
      is n odd) but for this; cut = without the last N bytes, flip = the N-th byte inverted
  refuse CODE | echo | hex BYTES | wait MILLISECONDS | hang up | unplug
expected.json: one device after the other, each polled once: its readings, and the reasons of those that are none. A
line of `lost` says that the connection is gone, and is made again before the next poll.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters.modbus_poller import ModbusPoller
from streamforge.adapters.modbus_rtu import ModbusRtu
from streamforge.adapters.modbus_rtu_config import ModbusRtuConfig
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.modbus_tcp_config import Framer, ModbusTcpConfig
from streamforge.config import load
from streamforge.errors import NotConnected
from streamforge.model import Quality
from tests.adapters.serial_lines import REQUEST_BYTES, Line, crc

CASES = Path(__file__).parents[1] / "cases"
FOLDERS = sorted(path.parent for kind in ("modbus-tcp", "modbus-rtu") for path in CASES.glob(f"{kind}/*/wire.json"))
HANG_UP = b""
Steps = list[str]


@dataclass
class Far:
    """The far end: steps by request. `is_serial` = its frames are serial ones."""

    answers: list[Steps]
    is_serial: bool
    functions: list[int] = field(default_factory=list)

    def sends(self, request: bytes) -> list[tuple[float, bytes]]:
        """What it sends for this request, each part after so many seconds; HANG_UP ends the connection."""
        steps = self.answers[min(len(self.functions), len(self.answers) - 1)]
        self.functions.append(request[1 if self.is_serial else 7])
        sends, wait = [], 0.0
        for step in steps:
            word, *rest = step.split()
            if word == "wait":
                wait += float(rest[0]) / 1000
            else:
                sends.append((wait, self._bytes(request, word, rest)))
                wait = 0.0
        return sends

    def _bytes(self, request: bytes, word: str, rest: list[str]) -> bytes:
        if word == "echo":
            return request
        if word == "hex":
            return bytes.fromhex("".join(rest))
        if word == "refuse":
            function = request[1 if self.is_serial else 7]
            return self._frame(request, bytes([function | 0x80, int(rest[0])]), {})
        if word in {"hang", "unplug"}:
            return HANG_UP
        assert word == "answer", word
        options = dict(zip(rest[::2], map(int, rest[1::2]), strict=True))
        return self._frame(request, answer_pdu(request[1:6] if self.is_serial else request[7:], options), options)

    def _frame(self, request: bytes, pdu: bytes, options: dict[str, int]) -> bytes:
        unit = options.get("unit", request[0 if self.is_serial else 6])
        body = bytes([unit]) + pdu
        if self.is_serial:
            whole = body + crc(body)
        else:
            transaction = options.get("transaction", int.from_bytes(request[:2], "big"))
            whole = transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body
        whole = whole[: len(whole) - options.get("cut", 0)]
        if (at := options.get("flip")) is not None:
            whole = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        return whole


def answer_pdu(request: bytes, options: dict[str, int]) -> bytes:
    """Function, number of bytes, data."""
    function = options.get("function", request[0])
    start, asked = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
    wanted = range(start, start + options.get("count", asked))
    if function <= 2:
        data = sum((n & 1) << i for i, n in enumerate(wanted)).to_bytes((len(wanted) + 7) // 8, "little")
    else:
        data = b"".join((n & 0xFFFF).to_bytes(2, "big") for n in wanted)
    return bytes([function, len(data)]) + data


@asynccontextmanager
async def over_tcp(settings: ModbusTcpConfig, far: Far) -> AsyncIterator[ModbusTcp]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readexactly(REQUEST_BYTES if far.is_serial else 12)
                for wait, data in far.sends(request):
                    await asyncio.sleep(wait)
                    writer.write(data)
                    if data == HANG_UP:
                        return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    modbus = ModbusTcp(replace(settings, source=replace(settings.source, host="127.0.0.1", port=port)))
    try:
        yield modbus
    finally:
        await modbus.close()
        server.close()


@asynccontextmanager
async def over_a_line(settings: ModbusRtuConfig, far: Far, directory: Path) -> AsyncIterator[ModbusRtu]:
    line = Line(directory / "usb-case", far.sends)
    line.plug()
    modbus = ModbusRtu(replace(settings, source=replace(settings.source, port=str(line.path))))
    try:
        yield modbus
    finally:
        await modbus.close()
        await line.end()


async def polled(modbus: ModbusPoller[Any], key: str) -> dict[str, Any]:
    """One scan of one device as expected.json writes it."""
    device = next(device for device in modbus.devices if device.key == key)
    try:
        await modbus.connect(device)
        batch = await modbus.poll(device)
    except NotConnected as error:
        return {"device": key, "lost": str(error).split(": ", 1)[1]}
    names = batch.names.parameters
    qualities = batch.qualities or bytes(len(names))
    reasons = {
        names[i]: f"{Quality(qualities[i]).name} {why.split(':')[0]}" for i, why in sorted(batch.reasons.items())
    }
    values = {name: batch.values[i] for i, name in enumerate(names) if i not in batch.reasons}
    return {"device": key, "values": values, **({"reasons": reasons} if reasons else {})}


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_case(case: Path, tmp_path: Path) -> None:
    answers, expected = (json.loads((case / name).read_text()) for name in ("wire.json", "expected.json"))
    is_rtu = case.parent.name == "modbus-rtu"

    async def main() -> tuple[list[dict[str, Any]], list[int]]:
        if is_rtu:
            far = Far(answers, is_serial=True)
            way: Any = over_a_line(load(case / "config.toml", ModbusRtuConfig), far, tmp_path)
        else:
            settings = load(case / "config.toml", ModbusTcpConfig)
            far = Far(answers, is_serial=settings.source.framer is Framer.RTU)
            way = over_tcp(settings, far)
        async with way as modbus:
            return [await polled(modbus, scan["device"]) for scan in expected], far.functions

    found, functions = asyncio.run(main())
    assert found == expected
    assert set(functions) <= {1, 2, 3, 4}, "whatever happens, only reading functions go over the wire"
