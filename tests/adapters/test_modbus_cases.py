"""Every folder of tests/cases/modbus-tcp with a device.json: a configuration, what the device holds, and what is read.

device.json: unit -> table -> first address -> registers in hexadecimal (or one digit a bit); all else is exception 2.
expected.json: the devices in order; `requests` are unit, function, start, count as seen on the wire.
"""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters.base import Batch
from streamforge.adapters.modbus_tcp import ModbusTcp
from streamforge.adapters.modbus_tcp_config import ModbusTcpConfig
from streamforge.config import load
from tests.adapters.peers import Hostile, exception, frame, hostile

CASES = sorted(path.parent for path in (Path(__file__).parents[1] / "cases" / "modbus-tcp").glob("*/device.json"))
TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


def cells(device: dict[str, Any], unit_id: int, function: int) -> dict[int, int]:
    """Address -> register or bit of one table."""
    found: dict[int, int] = {}
    for first, text in device.get(str(unit_id), {}).get(TABLES[function], {}).items():
        words = list(text) if function <= 2 else text.split()
        found |= {int(first) + place: int(word, 16) for place, word in enumerate(words)}
    return found


def served(device: dict[str, Any], request: bytes) -> bytes:
    start, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
    table = cells(device, request[6], request[7])
    inside = max(table, default=-1) >= start + count - 1
    if not inside:
        refused = exception(2)(request)
        assert isinstance(refused, bytes)
        return refused
    wanted = [table.get(at, 0) for at in range(start, start + count)]
    if request[7] <= 2:
        data = sum(bit << place for place, bit in enumerate(wanted)).to_bytes((count + 7) // 8, "little")
    else:
        data = b"".join(word.to_bytes(2, "big") for word in wanted)
    return frame(request, bytes([request[7], len(data)]) + data)


def shown(key: str, batch: Batch, seen: list[bytes]) -> dict[str, Any]:
    """A batch as expected.json writes it."""
    names = batch.names.parameters
    return {
        "key": key,
        "asset_id": batch.asset_id,
        "values": {name: batch.others.get(i, batch.values[i]) for i, name in enumerate(names)},
        "units": dict(zip(names, batch.names.units, strict=True)),
        "qualities": list(batch.qualities),
        "reasons": {names[i]: reason for i, reason in batch.reasons.items()},
        "requests": [[r[6], r[7], int.from_bytes(r[8:10], "big"), int.from_bytes(r[10:12], "big")] for r in seen],
    }


async def read_all(settings: ModbusTcpConfig, peer: Hostile) -> list[dict[str, Any]]:
    modbus = ModbusTcp(replace(settings, source=replace(settings.source, port=peer.port)))
    found = []
    for device in modbus.devices:
        await modbus.connect(device)
        peer.seen.clear()
        found.append(shown(device.key, await modbus.poll(device), peer.seen))
    await modbus.close()
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_case(case: Path) -> None:
    settings = load(case / "config.toml", ModbusTcpConfig)
    device = json.loads((case / "device.json").read_text())

    async def main() -> list[dict[str, Any]]:
        async with hostile(lambda request: served(device, request)) as peer:
            return await read_all(settings, peer)

    expected = json.loads((case / "expected.json").read_text())
    found = asyncio.run(main())
    assert [{key: batch[key] for key in wanted} for batch, wanted in zip(found, expected, strict=True)] == expected
