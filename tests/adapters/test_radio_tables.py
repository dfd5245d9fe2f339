"""Tag tables of xbee and lora beside their configuration: the same rows as in TOML, each fault where it stands."""

from pathlib import Path

import pytest

from streamforge.adapters.lora_config import LoraConfig
from streamforge.adapters.tags import Classification, DataType, Order
from streamforge.adapters.xbee_config import XbeeConfig
from streamforge.config import load
from streamforge.errors import ConfigError

XBEE = '[source]\nxbee_port = "/dev/ttyUSB0"\n[[devices]]\nasset_id = "well"\nnode_id = "0013A20041112233"\n'
LORA = '[source]\ntransport = "serial"\nlora_port = "/dev/ttyUSB0"\n[[devices]]\nasset_id = "tank"\n'
KINDS = {"xbee": (XbeeConfig, XBEE), "lora": (LoraConfig, LORA)}
each_kind = pytest.mark.parametrize("kind", KINDS)


def loaded(tmp_path: Path, kind: str, table: str, more: str = "") -> XbeeConfig | LoraConfig:
    config, text = KINDS[kind]
    (tmp_path / "tags.csv").write_text(table)
    (tmp_path / "a.toml").write_text(f'{text}tags_csv = "tags.csv"\n{more}')
    return load(tmp_path / "a.toml", config)


def faults(tmp_path: Path, kind: str, table: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, kind, table)
    return [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults]


@each_kind
def test_rows_of_a_table_stand_behind_those_of_the_file(tmp_path: Path, kind: str) -> None:
    table = (
        "param;at;type;unit;scale;order;invalid;class;when;severity;deadband\n"
        "level;40001;float32;mm;0.1;CDAB;;;;;1%\n"
        "leak;HR2.0;bit;;;;;ALARM;true;HIGH;\n"
        "supply;HR3;uint16;mV;;;0xFFFF;;;;\n"
        "rssi;RSSI;;dBm;;;;;;;\n"
    )
    (device,) = loaded(tmp_path, kind, table, 'tags = [{ param = "first", at = "HR9" }]\n').devices
    assert [row.param for row in device.rows] == ["first", "level", "leak", "supply", "rssi"]
    level, leak, supply = device.rows[1:4]
    assert (level.type, level.order, level.scale, level.deadband) == (DataType.FLOAT32, Order.CDAB, 0.1, "1%")
    assert (leak.classification, leak.when) == (Classification.ALARM, "true")
    assert supply.invalid == (0xFFFF,)
    (made,) = device.form().devices("key", "peer", 0.0, "")
    assert made.names.parameters == ("first", "level", "leak", "supply", "rssi")


def test_the_columns_of_their_own_are_read_too(tmp_path: Path) -> None:
    (tank,) = loaded(tmp_path, "lora", "param,at,fport\nlevel,40001,2\n").devices
    assert [getattr(row, "fport", None) for row in tank.rows] == [2]
    (well,) = loaded(tmp_path, "xbee", "param,at,header\nlevel,40001,01\n", "header_bytes = 1\n").devices
    assert [getattr(row, "header", None) for row in well.rows] == ["01"]


@each_kind
def test_every_fault_names_file_line_and_column(tmp_path: Path, kind: str) -> None:
    table = "param,at,type,scale,colour\nlevel,40001,int17,1,\ndoor,40002,,wide,\n,40003,,,\n"
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, kind, table)
    found = caught.value.faults
    assert {fault.file for fault in found} == {str(tmp_path / "tags.csv")}
    assert [(fault.line, fault.key) for fault in found] == [(1, "colour"), (2, "type"), (3, "scale"), (4, "param")]
    own = {"xbee": "header", "lora": "fport"}[kind]
    assert f", {own}, " in found[0].hint
    assert found[1].hint == 'did you mean "int16"?'
    assert str(found[2]).startswith(f'{tmp_path}/tags.csv:3: scale: must be a number, not "wide"')


@each_kind
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("level,IR0,", "IR0: a payload is an image of holding registers"),
        ("level,HR400,", "HR400: the image of a payload has 200 registers"),
        ("level,RSSJ,", "'RSSJ' is not understood"),
        ("level,,", "level: `at` is missing: a register such as 40001"),
        ("level,40001,1000", "level: interval_ms is of what the gateway asks for"),
    ],
)
def test_a_row_that_is_wrong_by_itself_is_named_by_its_line(tmp_path: Path, kind: str, row: str, words: str) -> None:
    (fault,) = faults(tmp_path, kind, f"param,at,interval_ms\nfirst,HR1,\n{row}\n")
    assert fault.startswith("tags.csv:3: ")
    assert words in fault


@each_kind
def test_a_device_needs_rows_somewhere(tmp_path: Path, kind: str) -> None:
    (fault,) = faults(tmp_path, kind, "param,at\n")
    assert fault.endswith("a device needs an asset_id and at least one row in tags or tags_csv")
