"""What a probe hears of a broker: by topic how much, how often, and what the payloads seem to be. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamforge.adapters.mqtt_config import PayloadKind, SparkplugRow
from streamforge.adapters.mqtt_json import parse_json
from streamforge.adapters.mqtt_publish import Published
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_tags import Wrong, to_bool, to_number
from streamforge.adapters.mqtt_times import TimeFormat, time_us
from streamforge.adapters.sparkplug import PREFIX, Sparkplug

MOST_KEPT_BYTES = 65_536
MOST_LEAVES = 100
# A clock of 2001 or later, in each of the units that payloads use.
_CLOCKS = ((1e9, TimeFormat.UNIX_S), (1e12, TimeFormat.UNIX_MS), (1e15, TimeFormat.UNIX_US), (1e18, TimeFormat.UNIX_NS))
_CLOCK_SPAN = 10
_TIMES = {"ts", "t", "time", "timestamp", "datetime", "date"}
Steps = tuple[str | int, ...]


@dataclass(slots=True)
class Heard:
    """One topic: `messages` without those that the broker kept, which are `retained`; `last` the newest payload."""

    messages: int = 0
    retained: int = 0
    last: bytes = b""
    kinds: set[PayloadKind] = field(default_factory=set)

    @property
    def kind(self) -> PayloadKind:
        """What all payloads are."""
        if len(self.kinds) == 1:
            return next(iter(self.kinds))
        return PayloadKind.BYTES if PayloadKind.BYTES in self.kinds else PayloadKind.TEXT


class Ear:
    """Listens to one connection (`mqtt_connection.Listener`); of topics beyond `most` only their messages count."""

    is_full = False

    def __init__(self, most: int) -> None:
        self._most = most
        self.topics: dict[str, Heard] = {}
        self.sparkplug = Sparkplug(SparkplugRow(groups=("+",)), "probe")
        self.metrics: dict[tuple[str, str], Sample] = {}
        self.others = 0

    def opened(self, *, is_session_present: bool) -> None:
        """Nothing was kept for a client that nobody knows."""

    def arrived(self, message: Published) -> None:
        """A message."""
        if message.topic not in self.topics and len(self.topics) >= self._most:
            self.others += 1
            return
        heard = self.topics.setdefault(message.topic, Heard())
        heard.retained += message.is_retained
        heard.messages += not message.is_retained
        heard.last = message.payload[:MOST_KEPT_BYTES]
        if message.topic.startswith(PREFIX):
            self._hear_sparkplug(message)
        elif message.payload:  # none: what was kept is taken back
            heard.kinds.add(kind_of(message.payload))

    def _hear_sparkplug(self, message: Published) -> None:
        try:
            told = self.sparkplug.read(message.topic, message.payload, 0)
        except Unreadable:
            return
        for sample in [*told.history, *told.samples] if told is not None else ():
            if len(self.metrics) < self._most or (sample.asset_id, sample.parameter) in self.metrics:
                self.metrics[sample.asset_id, sample.parameter] = sample


def kind_of(payload: bytes) -> PayloadKind:
    """What a payload is, the most exact first."""
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        return PayloadKind.BYTES
    if not all(letter.isprintable() or letter in "\t\r\n" for letter in text):
        return PayloadKind.BYTES
    if text[:1] in {"{", "["}:
        return _is_json(payload)
    for kind, read in ((PayloadKind.NUMBER, to_number), (PayloadKind.BOOL, to_bool)):
        try:
            read(text)
        except Wrong:
            continue
        return kind
    return PayloadKind.TEXT


def _is_json(payload: bytes) -> PayloadKind:
    try:
        parse_json(payload)
    except Unreadable:
        return PayloadKind.TEXT
    return PayloadKind.JSON


def json_leaves(payload: bytes) -> list[tuple[Steps, Any]]:
    """Every number, text, truth and null with its place, as far as there are not too many; none where it is no JSON."""
    try:
        whole = parse_json(payload)
    except Unreadable:  # cut, for it is large
        return []
    return list(_leaves(whole))[:MOST_LEAVES]


def _leaves(whole: Any) -> Iterator[tuple[Steps, Any]]:
    waiting: list[tuple[Steps, Any]] = [((), whole)]
    while waiting:
        steps, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*steps, key), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*steps, place), value[place]) for place in range(len(value) - 1, -1, -1)]
        else:
            yield steps, value


def clock_of(steps: Steps, value: Any) -> TimeFormat | None:
    """The form of the time that stands there, where its name and its value both say that it is one."""
    if not steps or str(steps[-1]).lower() not in _TIMES or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return next((form for least, form in _CLOCKS if least <= value < least * _CLOCK_SPAN), None)
    try:
        time_us(value, TimeFormat.ISO)
    except ValueError:
        return None
    return TimeFormat.ISO
