"""Every folder of tests/cases/mqtt: a configuration, messages, and what is read of each.

messages.json: topic, payload as `text` or `hex`, `is_retained`. expected.json, one entry a message: its readings as
asset, parameter, value, unit, quality, reason, device time; or why it is refused; or null where no row fits its topic.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_routes import Routes
from streamforge.config import load
from streamforge.model import Quality

CASES = sorted((Path(__file__).parents[1] / "cases" / "mqtt").iterdir())


def read(routes: Routes, message: dict[str, Any]) -> list[list[object]] | str | None:
    payload = bytes.fromhex(message["hex"]) if "hex" in message else message["text"].encode()
    route = routes.find(message["topic"])
    if route is None:
        return None
    try:
        return [shown(one) for one in route.read(payload, is_retained=message.get("is_retained", False))]
    except Unreadable as reason:
        return str(reason)


def shown(one: Sample) -> list[object]:
    quality = Quality(one.quality).name
    return [one.asset_id, one.parameter, one.value, one.unit, quality, one.reason, one.time_us]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_case(case: Path) -> None:
    routes = Routes(load(case / "config.toml", MqttConfig).topics)
    messages = json.loads((case / "messages.json").read_text())
    expected = json.loads((case / "expected.json").read_text())
    for message, wanted in zip(messages, expected, strict=True):
        found = read(routes, message)
        assert found == wanted, message
        assert json.dumps(found) == json.dumps(wanted), "a number is not a truth"
