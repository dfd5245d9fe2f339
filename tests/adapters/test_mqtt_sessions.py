"""Two instances that a broker takes for one: what it keeps for the one it would give to the other."""

from pathlib import Path

import pytest

from streamforge.cli.find import loader
from streamforge.gateway.instances import check

MQTT = """
[source]
broker = "mqtt://192.168.1.5"
client_id = "{}"
[[topics]]
topic = "a"
payload = "number"
asset_id = "a"
param = "p"
"""
LORA = """
[source]
transport = "chirpstack"
[mqtt]
broker = "mqtt://192.168.1.5:1883"
client_id = "{}"
[[devices]]
asset_id = "tank"
dev_eui = "0011223344556677"
tags = [ {{ param = "level", at = "40001", type = "uint16" }} ]
"""


@pytest.mark.parametrize(
    ("ids", "messages"),
    [
        (("one", "other", "third"), []),
        (("one", "one", "third"), ['"one at 192.168.1.5:1883" is also the session of adapters/mqtt/a.toml']),
        (("one", "other", "one"), ['"one at 192.168.1.5:1883" is also the session of adapters/lora/c.toml']),
    ],
)
def test_a_session_belongs_to_one_instance(ids: tuple[str, str, str], messages: list[str], tmp_path: Path) -> None:
    for place, text in (("mqtt/a", MQTT), ("mqtt/b", MQTT), ("lora/c", LORA)):
        file = tmp_path / "adapters" / f"{place}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(ids["abc".index(place[-1])]))
    assert [fault.message for fault in check(tmp_path, loader)] == messages
