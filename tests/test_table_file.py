"""Tables of rows as CSV beside the TOML file: what the columns become, and what is said of a wrong cell."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest

from streamforge.adapters.modbus_tcp_config import ModbusTcpConfig
from streamforge.adapters.tags import Classification, DataType
from streamforge.config import TableFile, load
from streamforge.errors import ConfigError


class Color(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    param: str
    at: str = ""
    scale: float = 1.0
    count: int = 0
    is_on: bool = False
    color: Color | None = None
    deadband: float | str | None = None
    invalid: tuple[float, ...] | float = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    rows: Annotated[tuple[Row, ...], TableFile()] = ()


def rows(directory: Path, content: str | bytes, name: str = "tags.csv") -> tuple[Row, ...]:
    (directory / "tags.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    (directory / "line.toml").write_text(f'rows = "{name}"\n')
    return load(directory / "line.toml", Config).rows


def faults(directory: Path, content: str | bytes, name: str = "tags.csv") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        rows(directory, content, name)
    return [
        f"{Path(fault.file).name}:{fault.line} {fault.key}: {fault.message}; {fault.hint}".removesuffix("; ")
        for fault in caught.value.faults
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_column_is_a_key_and_a_cell_what_its_key_asks_for(tmp_path: Path, separator: str) -> None:
    head = "param,at,scale,count,is_on,color,deadband,invalid\r\n"
    table = head + "a,40001,0.5,0x10,yes,red,1%,-1 2.5\r\n\r\nb,,,,,,0.5,7\r\n"
    assert rows(tmp_path, table.replace(",", separator)) == (
        Row(param="a", at="40001", scale=0.5, count=16, is_on=True, color=Color.RED, deadband="1%", invalid=(-1, 2.5)),
        Row(param="b", deadband=0.5, invalid=7.0),
    )


def test_text_stays_text_and_quotes_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    assert rows(tmp_path, b'\xef\xbb\xbfparam,at\n007,"a, ""b"""\n') == (Row(param="007", at='a, "b"'),)


def test_every_fault_names_the_file_the_line_and_what_would_be_right(tmp_path: Path) -> None:
    assert faults(tmp_path, "param,scal,count,color\na,1,many,green\n,2,,\n") == [
        'tags.csv:1 scal: unknown column; did you mean "scale"?',
        'tags.csv:2 color: "green" is not one of red',
        'tags.csv:2 count: must be a whole number, not "many"; write it without quotes',
        "tags.csv:3 param: missing; this table needs param = ...",
    ]


def test_a_file_that_is_not_there_or_not_beside_is_said_where_it_is_named(tmp_path: Path) -> None:
    (absent,) = faults(tmp_path, "param\n", "tag.csv")
    assert absent == 'line.toml:1 rows: there is no file "tag.csv"; did you mean "tags.csv"?'
    (elsewhere,) = faults(tmp_path, "param\n", "../tags.csv")
    assert elsewhere == 'line.toml:1 rows: "../tags.csv" is not the name of a file beside this one'
    assert faults(tmp_path, b"param\n\xff\n")[0].startswith('line.toml:1 rows: "tags.csv" cannot be read')


def test_the_rows_of_a_modbus_device_can_stand_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text(
        "param;at;type;unit;scale;class;when\nspeed;HR100;int16;rpm;0.1;;\nhot;40210.3;bit;;;ALARM;true\n"
    )
    (tmp_path / "line.toml").write_text(
        '[source]\nhost = "plc"\n[[devices]]\nasset_id = "drive"\ntags_csv = "drive.csv"\n'
        'tags = [{ param = "torque", at = "HR1" }]\n'
    )
    (device,) = load(tmp_path / "line.toml", ModbusTcpConfig).devices
    assert [(row.param, row.type, row.classification) for row in device.rows] == [
        ("torque", None, Classification.TELEMETRY),
        ("speed", DataType.INT16, Classification.TELEMETRY),
        ("hot", DataType.BIT, Classification.ALARM),
    ]
