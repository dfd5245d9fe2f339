"""Tables of rows as CSV beside the TOML file: what the columns become, and what is said of a wrong cell."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest

from streamforge.adapters.modbus_tcp_config import ModbusTcpConfig
from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_routes import Routes
from streamforge.adapters.opcua_config import OpcUaConfig
from streamforge.adapters.tags import Classification, DataType
from streamforge.config import TableFile, load
from streamforge.errors import ConfigError

OPCUA = '[source]\nendpoint = "opc.tcp://plc"\n[[devices]]\nasset_id = "drive"\n'
MQTT = '[source]\nbroker = "mqtt://broker"\nclient_id = "line"\n'
JSON = f'{MQTT}[[topics]]\ntopic = "state/{{asset_id}}"\npayload = "json"\n'
BYTES = f'{MQTT}[[topics]]\ntopic = "raw/{{asset_id}}"\npayload = "bytes"\n'
METRICS = f'{MQTT}[sparkplug]\ngroups = ["G"]\n'


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
    assert faults(tmp_path, b"param\na\n\xb0C\n") == ["tags.csv:3 : not UTF-8; save the file as UTF-8"]


def test_a_decimal_comma_is_never_half_a_number(tmp_path: Path) -> None:
    (as_number,) = faults(tmp_path, "param;scale\na;1,5\n")
    assert as_number == 'tags.csv:2 scale: must be a number, not "1,5"; write it with a point'
    (as_cells,) = faults(tmp_path, "param,scale\na,1,5\n")
    assert as_cells == 'tags.csv:2 : "5" stands behind the last column; put text with commas in quotes'
    assert rows(tmp_path, "param,scale\na,1.5,,\n") == (Row(param="a", scale=1.5),), "as spreadsheets write it"


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


def test_the_rows_of_an_opcua_device_can_stand_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text("param,at,unit,class\nspeed,nsu=urn:plc;s=N1,rpm,\nhot,ns=2;i=7,,EVENT\n")
    (tmp_path / "line.toml").write_text(f'{OPCUA}tags_csv = "drive.csv"\n')
    rows = list(load(tmp_path / "line.toml", OpcUaConfig).rows())
    assert [(asset, row.param, row.at, row.classification) for asset, row in rows] == [
        ("drive", "speed", "nsu=urn:plc;s=N1", Classification.TELEMETRY),
        ("drive", "hot", "ns=2;i=7", Classification.EVENT),
    ]


def test_the_rows_of_an_mqtt_topic_and_of_sparkplug_can_stand_in_tables(tmp_path: Path) -> None:
    (tmp_path / "state.csv").write_text("param;at;type;unit\ntemperature;$.t;;celsius\ncount;$['a b'][0];int16;\n")
    (tmp_path / "metrics.csv").write_text("param,deadband\nMotor/Temperature,0.5\n")
    (tmp_path / "line.toml").write_text(
        f'{MQTT}[[topics]]\ntopic = "state/{{asset_id}}"\npayload = "json"\ntags_csv = "state.csv"\n'
        '[sparkplug]\ngroups = ["G"]\ntags_csv = "metrics.csv"\n'
    )
    config = load(tmp_path / "line.toml", MqttConfig)
    route = Routes(config.topics).find("state/a")
    assert route is not None
    samples = route.read(b'{"t": 21.5, "a b": [7]}', is_retained=False)
    assert [(one.asset_id, one.parameter, one.value, one.unit) for one in samples] == [
        ("a", "temperature", 21.5, "celsius"),
        ("a", "count", 7, ""),
    ]
    assert [row.param for row in config.sparkplug.rows] == ["Motor/Temperature"]


@pytest.mark.parametrize(
    ("head", "table", "fault"),
    [
        (OPCUA, "param,at\na,ns=2;s=A\nb,T1\n", "3 at: 'T1' is no address of a node"),
        (OPCUA, "param,at,type\na,ns=2;s=A,int16\n", "2 type: a: type and order are the server's to say"),
        (OPCUA, "param,at,node\na,ns=2;s=A,1\n", "1 node: unknown column"),
        (JSON, "param,at\na,$.a\n\nb,t\n", "4 at: path 't' is not understood"),
        (JSON, "param,at\na,\n", "2 at: a: at is missing"),
        (JSON, "param,at,type\na,$.a,bcd16\n", '2 type: a: type "bcd16" is one of bytes'),
        (JSON, "param,at,interval_ms\na,$.a,100\n", "2 interval_ms: a: interval_ms is of polled devices"),
        (JSON, "param,at,scale\na,$.a,much\n", '2 scale: must be a number, not "much"'),
        (BYTES, "param,at,type\na,0,uint16\nb,x,uint16\n", '3 at: b: at = "x" must be a byte offset from 0'),
        (METRICS, "param,at\nMotor,ns=2;i=7\n", "2 at: Motor: has no at"),
    ],
)
def test_a_row_that_is_wrong_for_its_protocol_names_file_line_and_column(
    tmp_path: Path, head: str, table: str, fault: str
) -> None:
    (tmp_path / "rows.csv").write_text(table)
    (tmp_path / "line.toml").write_text(f'{head}tags_csv = "rows.csv"\n')
    kind: type[OpcUaConfig | MqttConfig] = OpcUaConfig if "opc.tcp" in head else MqttConfig
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "line.toml", kind)
    (found,) = caught.value.faults
    assert f"{Path(found.file).name}:{found.line} {found.key}: {found.message}".startswith(f"rows.csv:{fault}")


def test_a_row_of_the_file_itself_is_named_by_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text(
        f'{MQTT}[[topics]]\ntopic = "a/{{asset_id}}"\npayload = "json"\ntags = [\n'
        '  { param = "a", at = "$.a" },\n  { param = "b", at = "b" },\n]\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "line.toml", MqttConfig)
    (found,) = caught.value.faults
    assert (found.line, found.key) == (9, "topics[0].tags[1].at")
