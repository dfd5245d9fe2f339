"""The configuration of mqtt: `mqtt.toml` beside this module explains every key."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.mqtt_bytes import BytesDecoder
from streamforge.adapters.mqtt_json import parse_path
from streamforge.adapters.mqtt_tags import check_types
from streamforge.adapters.mqtt_times import TimeFormat
from streamforge.adapters.mqtt_topics import names_in, parse_pattern
from streamforge.adapters.tags import Order, TagRow
from streamforge.config import Bounds

PORTS = {"mqtt": 1883, "mqtts": 8883}


class Version(StrEnum):
    """Which MQTT is spoken."""

    V5 = "5"
    V3 = "3.1.1"


class PayloadKind(StrEnum):
    """What the messages of a topic are."""

    NUMBER = "number"
    TEXT = "text"
    BOOL = "bool"
    JSON = "json"
    CSV = "csv"
    BYTES = "bytes"


_SINGLE = {PayloadKind.NUMBER, PayloadKind.TEXT, PayloadKind.BOOL}
Qos = Annotated[int, Bounds(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The broker, and the session that it keeps under `client_id`."""

    broker: str
    client_id: str
    version: Version = Version.V5
    qos: Qos = 1
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: Annotated[int, Bounds(1, 3600)] = 30
    connect_timeout_s: Annotated[int, Bounds(1, 120)] = 10
    session_expiry_s: Annotated[int, Bounds(0, 4_294_967_295)] = 604_800
    max_payload_bytes: Annotated[int, Bounds(16, 524_288)] = 262_144

    def __post_init__(self) -> None:
        url = urlsplit(self.broker)
        if (
            url.scheme not in PORTS
            or not url.hostname
            or url.path not in {"", "/"}
            or url.username
            or not _port(self.broker)
        ):
            msg = f'broker = "{self.broker}": write for example mqtt://192.168.1.5 or mqtts://broker.local:8883'
            raise ValueError(msg)
        if not self.client_id:
            msg = "client_id is empty: the broker keeps what we miss under it, so it is unique there and never changes"
            raise ValueError(msg)
        if url.scheme == "mqtt" and (self.ca_file or self.cert_file or self.key_file):
            msg = "ca_file, cert_file and key_file belong to TLS: write mqtts:// in broker"
            raise ValueError(msg)
        if bool(self.cert_file) != bool(self.key_file):
            msg = "cert_file and key_file belong together: one is missing"
            raise ValueError(msg)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.broker).scheme == "mqtts"

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return urlsplit(self.broker).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        return _port(self.broker)


def _port(broker: str) -> int:
    """The port, 0 where it is none."""
    url = urlsplit(broker)
    try:
        return PORTS.get(url.scheme, 0) if url.port is None else url.port
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow:
    """One pattern of topics and what their messages say; the first row that a topic fits is its own."""

    topic: str
    payload: PayloadKind
    qos: Qos | None = None
    asset_id: str = "{asset_id}"
    param: str = "{param}"
    time: str = ""
    time_format: TimeFormat = TimeFormat.ISO
    points: str = ""
    name: str = ""
    value: str = ""
    quality: str = ""
    separator: Annotated[str, Bounds(1, 1)] = ","
    header: bool = False
    struct: str = ""
    order: Order = Order.ABCD
    silence_s: Annotated[float, Bounds(0.0, None)] = 0.0
    tags: tuple[TagRow, ...] = ()

    def __post_init__(self) -> None:
        pattern = parse_pattern(self.topic)
        needed = names_in(self.asset_id) + (names_in(self.param) if self.is_single else ())
        for name in needed:
            if name not in pattern.names:
                key = "param" if name in names_in(self.param) else "asset_id"
                msg = f'topic "{self.topic}" names no {{{name}}}: put it there, or write {key} = "its name"'
                raise ValueError(msg)
        if self.silence_s and names_in(self.asset_id):
            msg = 'silence_s is of a device that is known before it sends: write asset_id = "its name"'
            raise ValueError(msg)
        self._check_payload()

    def _check_payload(self) -> None:
        if self.payload is PayloadKind.BYTES:
            BytesDecoder(self.tags, self.struct, self.order)
        else:
            check_types(self.tags)
        _misplaced(self)
        if self.payload is PayloadKind.JSON:
            for path in (self.time, self.points, self.name, self.value, self.quality):
                if path:
                    parse_path(path)
            if bool(self.name) != bool(self.value):
                msg = "name and value belong together: where the parameter's name stands, and where its value"
                raise ValueError(msg)
        for tag in self.tags:
            _check_at(self, tag)
        if self.payload in {PayloadKind.CSV, PayloadKind.BYTES} and not self.tags:
            msg = f'payload = "{self.payload}" needs tags: which column or byte is which parameter?'
            raise ValueError(msg)

    @property
    def is_single(self) -> bool:
        """Whether a message is one value, whose parameter the topic (or `param`) names."""
        return self.payload in _SINGLE


_ONLY_FOR = {
    "points": PayloadKind.JSON, "name": PayloadKind.JSON, "value": PayloadKind.JSON, "quality": PayloadKind.JSON,
    "header": PayloadKind.CSV, "struct": PayloadKind.BYTES,
}  # fmt: skip


def _misplaced(row: TopicRow) -> None:
    for key, kind in _ONLY_FOR.items():
        if getattr(row, key) and row.payload is not kind:
            msg = f'{key} is of payload = "{kind}", not "{row.payload}"'
            raise ValueError(msg)
    if row.time and row.payload not in {PayloadKind.JSON, PayloadKind.CSV}:
        msg = f'payload = "{row.payload}" carries no time'
        raise ValueError(msg)


def _check_at(row: TopicRow, tag: TagRow) -> None:
    """The place of a value, by the kind of payload. Raises ValueError."""
    problem = ""
    is_placed = row.payload not in _SINGLE and not row.name
    if is_placed and not tag.at:
        problem = "at is missing: where in the payload the value stands"
    elif not is_placed and tag.at:
        problem = "has no at: the value is found by the parameter's name"
    elif row.payload is PayloadKind.JSON and tag.at:
        parse_path(tag.at)
    elif row.payload is PayloadKind.CSV and not row.header and not (tag.at.isdecimal() and int(tag.at) > 0):
        problem = f'at = "{tag.at}" must be the number of a column, from 1 (its name with header = true)'
    if tag.interval_ms:
        problem = "interval_ms is of polled devices: these send by themselves"
    if problem:
        msg = f"{tag.param}: {problem}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkplugRow:
    """Sparkplug B: whose messages are read, and whose readings they are."""

    groups: tuple[str, ...] = ()
    asset_id: str = "{group}/{node}/{device}"
    rebirth: bool = False
    tags: tuple[TagRow, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(names_in(self.asset_id)) - {"group", "node", "device"}
        if unknown or not self.asset_id:
            msg = f'asset_id = "{self.asset_id}" may name {{group}}, {{node}} and {{device}}'
            raise ValueError(msg)
        for group in self.groups:
            if not group or (set(group) & set("/#+") and group != "+"):
                msg = f'groups: "{group}" must be the name of a group, or "+" for all'
                raise ValueError(msg)
        for tag in self.tags:
            if tag.at:
                msg = f"{tag.param}: has no at: param is the metric's name"
                raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig(AdapterConfig):
    """adapters/mqtt/<instance>.toml; `mqtt.toml` beside this module explains every key."""

    source: Source
    topics: tuple[TopicRow, ...] = ()
    sparkplug: SparkplugRow = field(default_factory=SparkplugRow)

    def __post_init__(self) -> None:
        if not self.topics and not self.sparkplug.groups:
            msg = "nothing to read: give [[topics]], or groups in [sparkplug]"
            raise ValueError(msg)
        seen: dict[str, str] = {}
        for row in self.topics:
            asked = parse_pattern(row.topic).filter
            if asked in seen:
                msg = (
                    f'topics "{seen[asked]}" and "{row.topic}" are the same to the broker: put their tags into one row'
                )
                raise ValueError(msg)
            seen[asked] = row.topic
