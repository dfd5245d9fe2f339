"""Every folder of tests/cases/sparkplug: a configuration, messages of edge nodes, and what is told of each.

messages.json: topic, seq, time_ms and metrics (`sparkplug_encoder.M`; `unit` and `quality` are properties);
or {"restart": true}: what is known goes over the file. expected.json, one entry a message, without what is empty:
`samples` and `history` as parameter of an asset, value, unit, quality, reason, time; `silent` as asset, parameters and
reason; `events` as type and missing count; `unread` why it is not understood; null for a message that is none of ours.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters import sparkplug_file
from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_readings import Sample
from streamforge.adapters.sparkplug import Sparkplug, Told
from streamforge.config import load
from streamforge.model import Quality
from tests.adapters.sparkplug_encoder import M, number, payload, text

CASES = sorted((Path(__file__).parents[1] / "cases" / "sparkplug").iterdir())
NOW_US = 1_767_400_000_000_000
_INT32, _STRING = 3, 12


def metric(keys: dict[str, Any]) -> M:
    keys = dict(keys)
    properties: dict[str, tuple[int, bytes]] = {}
    if "quality" in keys:
        properties["Quality"] = (_INT32, number(3, keys.pop("quality")))
    if "unit" in keys:
        properties["engUnit"] = (_STRING, text(8, keys.pop("unit")))
    return M(**keys, properties=properties)


def shown(one: Sample) -> list[object]:
    place = f"{one.asset_id}: {one.parameter}"
    return [place, one.value, one.unit, Quality(one.quality).name, one.reason, one.time_us]


def told(found: Told | None) -> dict[str, object] | None:
    if found is None:
        return None
    everything: dict[str, object] = {
        "samples": [shown(one) for one in found.samples],
        "history": [shown(one) for one in found.history],
        "silent": [[one.asset_id, list(one.names.parameters), one.reasons[0]] for one in found.silent],
        "events": [[one.type, int(one.details["missing"])] for one in found.events],
        "unread": found.unread,
    }
    return {key: value for key, value in everything.items() if value}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_case(case: Path, tmp_path: Path) -> None:
    row = load(case / "config.toml", MqttConfig).sparkplug
    sparkplug = Sparkplug(row, "line")
    messages = json.loads((case / "messages.json").read_text())
    expected = json.loads((case / "expected.json").read_text())
    for message, wanted in zip(messages, expected, strict=True):
        if message.get("restart"):
            sparkplug_file.save(tmp_path, sparkplug.nodes)
            sparkplug = Sparkplug(row, "line", sparkplug_file.load(tmp_path))
            continue
        metrics = [metric(keys) for keys in message.get("metrics", ())]
        data = payload(*metrics, seq=message.get("seq"), time_ms=message.get("time_ms", 1_767_323_045_000))
        assert told(sparkplug.read(message["topic"], data, NOW_US)) == wanted, message
