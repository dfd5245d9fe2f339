"""What a probe finds of a Modbus device, over a real socket: units, registers, and what stands in them."""

import argparse
import asyncio
import struct
import tomllib
from pathlib import Path

import pytest

from streamforge.adapters import modbus_probe
from streamforge.adapters.modbus_rtu_config import ModbusRtuConfig
from streamforge.adapters.modbus_sight import tables_of
from streamforge.adapters.modbus_tcp_config import ModbusTcpConfig
from streamforge.adapters.probing import Finding
from streamforge.adapters.registers import Table
from streamforge.cli import probe
from streamforge.config import load
from streamforge.errors import NotConnected
from tests.adapters.peers import Behaviour, Reply, exception, hostile, right
from tests.adapters.serial_lines import Sends, line
from tests.adapters.serial_lines import right as right_rtu


def given(host: str, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    modbus_probe.add_arguments(parser)
    return parser.parse_args([host, *words])


def found(behave: Behaviour, *words: str) -> Finding:
    async def main() -> Finding:
        async with hostile(behave) as peer:
            finding = await modbus_probe.probe(given(f"127.0.0.1:{peer.port}", *words))
            assert {request[7] for request in peer.seen} <= {1, 2, 3, 4}, "it only reads"
            return finding

    return asyncio.run(main())


def plant(request: bytes) -> Reply:
    """Units 1 and 3 are there; each has 25 holding registers without number 11, and nothing else."""
    start, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
    if request[6] not in {1, 3}:
        return None
    if request[7] != 3 or start + count > 25 or start <= 11 < start + count:
        refused = exception(2)(request)
        assert isinstance(refused, bytes)
        return refused
    return right(request)


def test_it_finds_the_units_that_answer_and_the_registers_that_they_have(tmp_path: Path) -> None:
    finding = found(plant, "--units", "1-4", "--timeout-ms", "200", "--at", "HR0:40", "--at", "IR0:4")
    assert finding.summary.endswith("2 of 4 units answer: 1, 3")
    assert [table.title for table in finding.tables] == ["unit 1, holding registers", "unit 3, holding registers"]
    assert [row[0] for row in finding.tables[0].rows] == [f"HR{at}" for at in range(25) if at != 11]
    (tmp_path / "found.toml").write_text(finding.toml)
    devices = load(tmp_path / "found.toml", ModbusTcpConfig).devices
    assert [(device.unit_id, len(device.tags)) for device in devices] == [(1, 24), (3, 24)]


def test_bits_are_found_too() -> None:
    finding = found(right, "--units", "7", "--at", "CO0:3", "--at", "DI4:2")
    assert [table.rows for table in finding.tables] == [
        (("CO0", "0"), ("CO1", "1"), ("CO2", "0")),
        (("DI4", "0"), ("DI5", "1")),
    ]
    assert tomllib.loads(finding.toml)["devices"][0]["tags"][0] == {"param": "co0", "at": "CO0", "type": "bool"}


@pytest.mark.parametrize(("order", "places"), [("ABCD", "0123"), ("CDAB", "2301"), ("BADC", "1032"), ("DCBA", "3210")])
def test_a_value_makes_sense_in_the_column_of_its_order(order: str, places: str) -> None:
    value = struct.pack(">f", 20.8)
    pair = struct.unpack(">HH", bytes(value[places.index(str(place))] for place in range(4)))
    (table,) = tables_of({1: {Table.HOLDING_REGISTER: {40: pair[0], 41: pair[1]}}})
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert first[f"float32 {order}"] == "20.8"
    assert [first[column] for column in table.columns if column.startswith("float32")].count("20.8") == 1


def test_a_register_stands_in_every_type() -> None:
    (table,) = tables_of({1: {Table.INPUT_REGISTER: {0: 0xFFFE, 1: 0x4142, 2: 0x4344}}})
    row = dict(zip(table.columns, table.rows[1], strict=True))
    assert (row["at"], row["hex"], row["uint16"], row["uint32 ABCD"], row["uint32 CDAB"], row["text"]) == (
        "IR1", "4142", "16706", "1094861636", "1128546626", "AB"
    )  # fmt: skip
    assert table.rows[0][3] == "-2"
    assert table.rows[2][4:10] == ("",) * 6, "there is no register after it"


def test_a_serial_line_is_probed_the_same_and_the_configuration_is_modbus_rtu(tmp_path: Path) -> None:
    def only_unit_2(request: bytes) -> Sends:
        return right_rtu(request) if request[0] == 2 else []

    async def main() -> tuple[Finding, list[bytes]]:
        async with line(tmp_path, only_unit_2) as far:
            words = ("--units", "1-3", "--at", "HR7:2", "--baud-rate", "115200", "--parity", "N", "--timeout-ms", "50")
            return await modbus_probe.probe(given(str(far.path), *words)), far.requests

    finding, requests = asyncio.run(main())
    assert finding.summary.endswith("1 of 3 units answer: 2")
    assert [row[:3] for row in finding.tables[0].rows] == [("HR7", "0007", "7"), ("HR8", "0008", "8")]
    assert {request[1] for request in requests} == {3}
    (tmp_path / "found.toml").write_text(finding.toml)
    found = load(tmp_path / "found.toml", ModbusRtuConfig)
    assert (found.source.baud_rate, found.source.parity.value, found.devices[0].unit_id) == (115_200, "N", 2)


def test_where_nobody_answers_it_says_so() -> None:
    finding = found(lambda _request: None, "--units", "1-5", "--timeout-ms", "50")
    assert (finding.summary.endswith("none of the units 1-5 answers"), finding.toml) == (True, "")


def test_where_nobody_is_it_says_so() -> None:
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:1: Connection refused"):
        asyncio.run(modbus_probe.probe(given("127.0.0.1:1")))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--units", "one"), "write for example 1-32"),
        (("--units", "1-300"), "a unit id is 0 to 247"),
        (("--at", "100"), "is ambiguous"),
        (("--at", "HR7.3"), "write for example HR0:50"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe.run(["modbus", "127.0.0.1:1", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_command_prints_tables_or_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(*words: str) -> int:
        async with hostile(right) as peer:
            return await asyncio.to_thread(
                probe.run, ["modbus", f"127.0.0.1:{peer.port}", "--units", "1", "--at", "HR0:2", *words]
            )

    assert asyncio.run(ask()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "unit 1, holding registers"
    assert lines[3].split()[:4] == ["at", "hex", "uint16", "int16"]
    assert asyncio.run(ask("--toml")) == 0
    assert tomllib.loads(capsys.readouterr().out)["devices"][0]["unit_id"] == 1
    assert "modbus" in probe.protocols()
