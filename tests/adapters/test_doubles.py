"""A second row of one parameter is refused where it stands, whatever the protocol."""

from pathlib import Path

import pytest

from tests.adapters.checked import faults_of

MODBUS = """[source]
host = "h"
port = 502
[output]
asset_id = "a"
[mapping.registers]
40001 = { param = "x" }
40002 = { param = "x" }
"""
OPCUA = """[source]
endpoint = "opc.tcp://h"
[[devices]]
asset_id = "a"
tags_csv = "more.csv"
tags = [
  { param = "x", at = "i=1" },
]
"""
MQTT = """[source]
broker = "mqtt://h"
client_id = "c"
[[topics]]
topic = "plant/{asset_id}"
payload = "json"
tags = [
  { param = "x", at = "$.a" },
  { param = "x", at = "$.b", asset_id = "another" },
  { param = "x", at = "$.c" },
]
"""
SPARKPLUG = """[source]
broker = "mqtt://h"
client_id = "c"
[sparkplug]
groups = ["g"]
tags = [{ param = "x" },
  { param = "x" }]
"""


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        ("modbus-tcp", MODBUS, "found.toml:8: mapping.registers.40002.param: a has two parameters named 'x'"),
        ("opcua", OPCUA, "more.csv:3: param: a has two parameters named 'x'"),
        ("mqtt", MQTT, "found.toml:10: topics[0].tags[2].param: {asset_id} has two parameters named 'x'"),
        ("mqtt", SPARKPLUG, "found.toml:7: sparkplug.tags[1].param: [sparkplug] has two parameters named 'x'"),
    ],
)
def test_a_parameter_that_two_rows_make(tmp_path: Path, kind: str, text: str, fault: str) -> None:
    table = tmp_path / "site" / "adapters" / kind / "more.csv"
    table.parent.mkdir(parents=True)
    table.write_text("param;at\ny;i=2\nx;i=3\n")
    (found,) = faults_of(tmp_path, kind, text)
    assert found.endswith(f"/{fault}")
