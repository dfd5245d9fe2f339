"""Packets, payloads and Sparkplug messages with bytes changed: readings or a refusal each time, in flat memory."""

import json
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import pytest

from streamforge.adapters.mqtt_config import MqttConfig, SparkplugRow
from streamforge.adapters.mqtt_publish import MalformedError, parse_publish
from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.mqtt_routes import Route, Routes
from streamforge.adapters.sparkplug import Sparkplug
from streamforge.config import load
from tests.adapters.mutations import FEW, MANY, campaign
from tests.adapters.sparkplug_encoder import M, data_set, payload, text, value_field

every_count = pytest.mark.parametrize(
    "count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
CASES = Path(__file__).parents[1] / "cases" / "mqtt"
TABLE = data_set(["v"], [9], [[value_field("float", 1.5, shift=9)]])
UDT = text(2, M("speed", "float", 3.0, type=9).encode())
MESSAGES = (
    payload(M("bdSeq", "long", 3, type=8), M("Temp", value=20.0, type=10, alias=5), seq=0),
    payload(M(alias=5, value=21.0), M("s", "dataset", TABLE, type=16), seq=1),
    payload(M("udt", "template", UDT, type=19), M("a", "bytes", b"\x01\x02\x03\x04", type=24), seq=2),
    payload(M("text", "string", "idle", type=12), M("n", "int", 7, type=3, historical=True, time_ms=5), seq=3),
)


@every_count
def test_a_publish_packet(count: int) -> None:
    good = (b"\x00\x03a/b\x00\x07payload", b"\x00\x03a/b\x00\x07\x03\x01\x01\x00payload", b"\x00\x01t21.5")
    heads = cycle((0x30, 0x32, 0x3B, 0x31))

    def take(body: bytes) -> None:
        with suppress(MalformedError):
            found = parse_publish(next(heads), body, is_v5=len(body) % 2 == 0)
            assert len(found.payload) <= len(body)

    campaign(good, count, take)


def routes() -> list[tuple[Route, bytes]]:
    """Every message of the case folders, with the route that reads it."""
    found = []
    for case in sorted(CASES.iterdir()):
        known = Routes(load(case / "config.toml", MqttConfig).topics)
        for message in json.loads((case / "messages.json").read_text()):
            route = known.find(message["topic"])
            if route is not None:
                content = bytes.fromhex(message["hex"]) if "hex" in message else message["text"].encode()
                found.append((route, content))
    return found


@every_count
def test_a_payload_of_each_kind(count: int) -> None:
    known = routes()
    turns = cycle(route for route, _ in known)

    def take(content: bytes) -> None:
        with suppress(Unreadable):
            assert next(turns).read(content, is_retained=False)

    campaign([content for _, content in known if content], count, take)


@every_count
def test_a_sparkplug_message(count: int) -> None:
    sparkplug = Sparkplug(SparkplugRow(groups=("G",)), "line")
    topics = cycle(f"spBv1.0/G/{kind}" for kind in ("NBIRTH/N", "NDATA/N", "DBIRTH/N/D", "DDATA/N/D", "NDEATH/N"))

    def take(content: bytes) -> None:
        with suppress(Unreadable):
            sparkplug.read(next(topics), content, 1)

    campaign(MESSAGES, count, take)
    assert set(sparkplug.nodes) == {("G", "N")}
