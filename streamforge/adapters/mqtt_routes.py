"""Which row a topic belongs to, and what comes of its messages: looked up once a topic, then remembered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streamforge.adapters.base import Device, ReportRule, SignalRule
from streamforge.adapters.mqtt_config import TopicRow
from streamforge.adapters.mqtt_message import Decode, Place
from streamforge.adapters.mqtt_payloads import decoder_of
from streamforge.adapters.mqtt_readings import Sample
from streamforge.adapters.mqtt_tags import kind_of_type
from streamforge.adapters.mqtt_topics import Pattern, fill, names_in, parse_pattern
from streamforge.adapters.tags import TagRow, rule_of, signal_rule
from streamforge.model import Kind, names

# So many topics are remembered; of what sends ever new ones the oldest are looked up again.
MOST_TOPICS = 10_000
Rules = tuple[ReportRule, SignalRule | None]


@dataclass(frozen=True, slots=True)
class _Row:
    pattern: Pattern
    row: TopicRow
    decode: Decode


@dataclass(frozen=True, slots=True)
class Route:
    """Where one topic leads."""

    row: TopicRow
    place: Place
    retained: Place
    decode: Decode

    def read(self, payload: bytes, *, is_retained: bool) -> list[Sample]:
        """The message's readings. Raises Unreadable."""
        return self.decode(payload, self.retained if is_retained else self.place)


class Routes:
    """The rows of one instance. The rules of a row's parameters are known as soon as a topic led there."""

    def __init__(self, rows: tuple[TopicRow, ...]) -> None:
        self._rows = [_Row(parse_pattern(row.topic), row, decoder_of(row)) for row in rows]
        self._found: dict[str, Route] = {}
        self._rules: dict[tuple[str, str], Rules] = {}

    def find(self, topic: str) -> Route | None:
        """The route of a topic that fits a row; None for one that fits none."""
        found = self._found.get(topic)
        if found is None:
            found = self._look(topic)
            if found is not None:
                if len(self._found) >= MOST_TOPICS:
                    del self._found[next(iter(self._found))]
                self._found[topic] = found
        return found

    def rules_of(self, asset_id: str, parameter: str) -> Rules | None:
        """When a reading is worth a record, and what else it makes; None where no row says so."""
        return self._rules.get((asset_id, parameter))

    def _look(self, topic: str) -> Route | None:
        for one in self._rows:
            parts = one.pattern.match(topic)
            if parts is not None:
                place = _place(one.row, parts)
                if not place.asset_id:
                    return None
                self._know(one.row, place.asset_id)
                return Route(one.row, place, Place(place.asset_id, place.parameter, is_retained=True), one.decode)
        return None

    def _know(self, row: TopicRow, asset_id: str) -> None:
        for tag in row.rows:
            self._rules[tag.asset_id or asset_id, tag.param] = (rule_of(tag), signal_rule(tag))


def _place(row: TopicRow, parts: Mapping[str, str]) -> Place:
    is_named = all(name in parts for name in names_in(row.param))
    return Place(fill(row.asset_id, parts), fill(row.param, parts) if is_named else "")


def devices_of(rows: tuple[TopicRow, ...], peer: str) -> Iterator[Device]:
    """The assets that the configuration names, whatever they send."""
    tags: dict[str, dict[str, TagRow]] = {}
    silences: dict[str, float] = {}
    for row in rows:
        if names_in(row.asset_id):
            continue
        silences[row.asset_id] = max(row.silence_s, silences.get(row.asset_id, 0.0))
        own = tags.setdefault(row.asset_id, {})
        own.update({tag.param: tag for tag in row.rows if not tag.asset_id})
        if row.is_single and not names_in(row.param):
            own.setdefault(row.param, TagRow(param=row.param))
    for asset_id, known in tags.items():
        yield _device(asset_id, tuple(known.values()), silences[asset_id], peer)


def _device(asset_id: str, tags: tuple[TagRow, ...], silence_seconds: float, peer: str) -> Device:
    signals = tuple(signal_rule(tag) for tag in tags)
    return Device(
        key=asset_id,
        asset_id=asset_id,
        interval_seconds=0.0,
        names=names(
            tuple(tag.param for tag in tags), tuple(tag.unit for tag in tags), bytes(_kind(tag) for tag in tags)
        ),
        rules=tuple(rule_of(tag) for tag in tags),
        signals=signals if any(signals) else (),
        silence_seconds=silence_seconds,
        peer=peer,
        address=peer,
    )


def _kind(tag: TagRow) -> Kind:
    kind = kind_of_type(tag.type, is_scaled=tag.scale != 1.0 or tag.offset != 0.0)
    return Kind.DOUBLE if kind is None else kind
