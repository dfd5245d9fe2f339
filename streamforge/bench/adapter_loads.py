"""What `streamforge bench adapters` puts each adapter to: its configuration, its peer, and the wanted figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamforge.adapters.modbus_rtu_config import LineSource
from streamforge.bench.chain import unit_toml
from streamforge.bench.peer_lora import ADDRESSES, APP_SKEY, GATEWAY, NWK_SKEY
from streamforge.bench.peer_opcua import NAMESPACE
from streamforge.bench.peer_xbee import NODE
from streamforge.bench.serial_line import BAUD_RATES, theory_seconds

LINE_REGISTERS = 125
Bound = tuple[Literal["<=", ">="], float]
CPU, WIRE, RATE = "cpu_us", "wire_us", "per_second"
CORE, BUSY, RSS = "core_percent", "busy_percent", "rss_mb"
SMALL: Mapping[str, Bound] = {RSS: ("<=", 64.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One row of the table. `{address}` in `toml` and `peer` is a free port, or where `has_path` a path of a line.

    `peer` are words behind `streamforge`. `readings_per_item`: an item (frame, uplink) makes so many readings.
    `theory_seconds` of a line: how long it is busy for a reading at least; 0 = no line.
    """

    name: str
    kind: str
    what: str
    item: str
    toml: str
    peer: tuple[str, ...]
    wanted: Mapping[str, Bound] = field(default_factory=lambda: SMALL)
    readings_per_item: int = 1
    theory_seconds: float = 0.0
    has_path: bool = False

    @property
    def is_sent(self) -> bool:
        """Whether the peer sends by itself, so that the way to the readings can be measured without a log."""
        return not self.kind.startswith("modbus")


def loads(share: float = 1.0) -> tuple[Load, ...]:
    """Every row; a `share` below 1 makes rates and item counts smaller, for those that only try whether it measures."""
    return (*_modbus_tcp(), *_modbus_rtu(), _opcua(share), *_mqtt(), _sparkplug(), _xbee(share), _lora(share))


def _modbus_tcp() -> Iterator[Load]:
    yield Load(
        name="modbus-tcp",
        kind="modbus-tcp",
        what="10 units x 250 registers, 20 ms",
        item="reading",
        toml=unit_toml("{address}", devices=10, registers=250, interval_ms=20),
        peer=("sim", "--port", "{address}", "--load", "10x250"),
        wanted={**SMALL, CPU: ("<=", 4.0)},
    )
    yield Load(
        name="modbus-tcp-200",
        kind="modbus-tcp",
        what="200 units x 50 registers, 1 s",
        item="reading",
        toml=unit_toml("{address}", devices=200, registers=50, interval_ms=1000),
        peer=("sim", "--port", "{address}", "--load", "200x50"),
        wanted={**SMALL, CORE: ("<=", 30.0)},
    )


def _modbus_rtu() -> Iterator[Load]:
    for baud_rate in BAUD_RATES:
        source = LineSource(port="{address}", baud_rate=baud_rate)
        yield Load(
            name=f"modbus-rtu-{baud_rate}",
            kind="modbus-rtu",
            what=f"a line of {baud_rate} baud, requests of {LINE_REGISTERS} registers",
            item="reading",
            toml=f"""poll_interval_ms = 0
source = {{ port = "{{address}}", baud_rate = {baud_rate} }}
[[devices]]
asset_id = "line"
tags = [
  {{ param = "a", at = "HR0:{LINE_REGISTERS}", type = "uint16" }},
  {{ param = "b", at = "HR500:{LINE_REGISTERS}", type = "uint16" }},
]
""",
            peer=("bench", "peer", "line", "{address}", str(baud_rate), str(LINE_REGISTERS)),
            wanted={**SMALL, BUSY: (">=", 90.0)},
            theory_seconds=theory_seconds(source, LINE_REGISTERS) / LINE_REGISTERS,
            has_path=True,
        )


def _opcua(share: float) -> Load:
    items, cycles = max(2, round(5000 * share)), 4
    tags = "".join(f'  {{ param = "v{i}", at = "nsu={NAMESPACE};i={i + 1}" }},\n' for i in range(items))
    return Load(
        name="opcua",
        kind="opcua",
        what=f"{items} items, each {cycles} times a second",
        item="notification",
        toml=f"""[source]
endpoint = "opc.tcp://127.0.0.1:{{address}}"
security_policy = "None"
security_mode = "None"
[subscription]
publish_ms = 250
[[devices]]
asset_id = "server"
tags = [
{tags}]
""",
        peer=("bench", "peer", "opcua", "{address}", str(items), str(cycles)),
        wanted={CPU: ("<=", 15.0), RATE: (">=", 15_000.0), RSS: ("<=", 96.0)},
    )


def _mqtt_source(version: str) -> str:
    return f"""[source]
broker = "mqtt://127.0.0.1:{{address}}"
client_id = "bench"
version = "{version}"
"""


def _mqtt() -> Iterator[Load]:
    for version in ("5", "3.1.1"):
        yield Load(
            name=f"mqtt-{version}",
            kind="mqtt",
            what=f"MQTT {version}, QoS 1, 1,000 under way",
            item="message",
            toml=_mqtt_source(version) + '[[topics]]\ntopic = "plant/{asset_id}/{param}"\npayload = "number"\n',
            peer=("bench", "peer", "mqtt", "{address}", "1000"),
            wanted={**SMALL, CPU: ("<=", 45.0), RATE: (">=", 15_000.0)},
        )


def _sparkplug() -> Load:
    return Load(
        name="sparkplug",
        kind="mqtt",
        what="messages of 20 metrics by alias, QoS 1",
        item="metric",
        toml=_mqtt_source("5") + '[sparkplug]\ngroups = ["bench"]\n',
        peer=("bench", "peer", "sparkplug", "{address}", "1000"),
        wanted={**SMALL, WIRE: ("<=", 6.0)},
    )


def _xbee(share: float) -> Load:
    per_second = max(50, round(2000 * share))
    return Load(
        name="xbee",
        kind="xbee",
        what=f"{per_second} frames/s of two float32, API mode 1",
        item="frame",
        toml=f"""source = {{ xbee_port = "{{address}}", rssi_interval_s = 0.0 }}
[[devices]]
asset_id = "well"
node_id = "{NODE}"
tags = [
  {{ param = "pressure", at = "40001", type = "float32" }},
  {{ param = "temperature", at = "40003", type = "float32" }},
]
""",
        peer=("bench", "peer", "xbee", "{address}", str(per_second)),
        wanted={**SMALL, WIRE: ("<=", 25.0)},
        readings_per_item=2,
        has_path=True,
    )


def _lora(share: float) -> Load:
    per_second = max(50, round(2000 * share))
    devices = "".join(
        f"""[[devices]]
asset_id = "tank_{address}"
dev_addr = "{address}"
nwk_skey = "{NWK_SKEY}"
app_skey = "{APP_SKEY}"
tags = [{{ param = "level", at = "40001", type = "uint16" }}, {{ param = "rssi", at = "RSSI" }}]
"""
        for address in ADDRESSES
    )
    return Load(
        name="lora",
        kind="lora",
        what=f"{per_second} uplinks/s of {len(ADDRESSES)} devices, Semtech UDP",
        item="uplink",
        toml=f"""[source]
transport = "semtech_udp"
listen = "127.0.0.1:{{address}}"
gateways = ["{GATEWAY}"]
{devices}""",
        peer=("bench", "peer", "lora", "{address}", str(per_second)),
        wanted={**SMALL, WIRE: ("<=", 20.0)},
        readings_per_item=2,
    )
