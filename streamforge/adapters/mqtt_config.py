"""The configuration of mqtt: `mqtt.toml` beside this module explains every key."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.doubles import placed, refuse_doubles
from streamforge.adapters.mqtt_bytes import BytesDecoder
from streamforge.adapters.mqtt_json import parse_path
from streamforge.adapters.mqtt_source import Qos, Source
from streamforge.adapters.mqtt_tags import check_types
from streamforge.adapters.mqtt_times import TimeFormat
from streamforge.adapters.mqtt_topics import names_in, parse_pattern
from streamforge.adapters.tags import Order, TagRow
from streamforge.config import Bounds, KeyedError, TableFile, of_key


class PayloadKind(StrEnum):
    """What the messages of a topic are."""

    NUMBER = "number"
    TEXT = "text"
    BOOL = "bool"
    JSON = "json"
    CSV = "csv"
    BYTES = "bytes"


_SINGLE = {PayloadKind.NUMBER, PayloadKind.TEXT, PayloadKind.BOOL}


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
    tags_csv: Annotated[tuple[TagRow, ...], TableFile()] = ()

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
        _misplaced(self)
        if self.payload is PayloadKind.JSON:
            for path in (self.time, self.points, self.name, self.value, self.quality):
                if path:
                    parse_path(path)
            if bool(self.name) != bool(self.value):
                msg = "name and value belong together: where the parameter's name stands, and where its value"
                raise ValueError(msg)
        if self.payload is PayloadKind.BYTES:
            BytesDecoder((), self.struct, self.order)
        for key, tags in (("tags", self.tags), ("tags_csv", self.tags_csv)):
            for number, tag in enumerate(tags):
                with of_key(key, number):
                    _check_tag(self, tag)
        refuse_doubles(
            (place, tag.asset_id or self.asset_id, tag.param) for place, tag in placed(self.tags, self.tags_csv)
        )
        if self.payload in {PayloadKind.CSV, PayloadKind.BYTES} and not self.rows:
            msg = f'payload = "{self.payload}" needs tags: which column or byte is which parameter?'
            raise ValueError(msg)

    @property
    def rows(self) -> tuple[TagRow, ...]:
        """Tags of the file itself, then those of the table beside it."""
        return self.tags + self.tags_csv

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


def _check_tag(row: TopicRow, tag: TagRow) -> None:
    """A tag by the kind of payload that its topic has. Raises ValueError, of the key that is wrong."""
    if row.payload is not PayloadKind.BYTES:
        with of_key("type"):
            check_types((tag,))
    if tag.interval_ms:
        msg = f"{tag.param}: interval_ms is of polled devices: these send by themselves"
        raise KeyedError(msg, "interval_ms")
    with of_key("at"):
        _check_at(row, tag)
        if row.payload is PayloadKind.BYTES:
            BytesDecoder((tag,), row.struct, row.order)


def _check_at(row: TopicRow, tag: TagRow) -> None:
    """The place of a value. Raises ValueError."""
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
    tags_csv: Annotated[tuple[TagRow, ...], TableFile()] = ()

    def __post_init__(self) -> None:
        unknown = set(names_in(self.asset_id)) - {"group", "node", "device"}
        if unknown or not self.asset_id:
            msg = f'asset_id = "{self.asset_id}" may name {{group}}, {{node}} and {{device}}'
            raise ValueError(msg)
        for group in self.groups:
            if not group or (set(group) & set("/#+") and group != "+"):
                msg = f'groups: "{group}" must be the name of a group, or "+" for all'
                raise ValueError(msg)
        for key, tags in (("tags", self.tags), ("tags_csv", self.tags_csv)):
            for number, tag in enumerate(tags):
                if tag.at:
                    msg = f"{tag.param}: has no at: param is the metric's name"
                    raise KeyedError(msg, key, number, "at")
        refuse_doubles((place, "[sparkplug]", tag.param) for place, tag in placed(self.tags, self.tags_csv))

    @property
    def rows(self) -> tuple[TagRow, ...]:
        """Tags of the file itself, then those of the table beside it."""
        return self.tags + self.tags_csv


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

    @property
    def session(self) -> str:
        """What no other instance may have."""
        return self.source.session
