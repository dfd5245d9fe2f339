"""From a message to its readings, by the row that its topic belongs to. Pure."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from streamforge.adapters.mqtt_bytes import BytesDecoder
from streamforge.adapters.mqtt_config import PayloadKind, TopicRow
from streamforge.adapters.mqtt_json import ABSENT, Path, leaves, parse_json, parse_path
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_tags import (
    NO_DEVICE_TIME,
    NO_STAMP,
    NOT_A_BOOL,
    NOT_A_NUMBER,
    RETAINED,
    Stamp,
    Tag,
)
from streamforge.adapters.mqtt_times import TimeFormat, time_us
from streamforge.adapters.tags import DataType, TagRow
from streamforge.model import Quality

SOURCE_BAD, SOURCE_UNCERTAIN = "source_bad", "source_uncertain"
_RETAINED = Stamp(quality=Quality.UNCERTAIN, reason=RETAINED)
_UNDATED = Stamp(quality=Quality.UNCERTAIN, reason=NO_DEVICE_TIME)
_WORDS = {"good": Quality.GOOD, "uncertain": Quality.UNCERTAIN, "bad": Quality.BAD}
MOST_POINTS = 10_000
MOST_OTHERS = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """What the topic says of a message."""

    asset_id: str
    parameter: str = ""
    is_retained: bool = False


Decode = Callable[[bytes, Place], list[Sample]]


def decoder_of(row: TopicRow) -> Decode:
    """What reads the row's messages; it raises Unreadable for a payload that is none."""
    if row.is_single:
        return _Single(row).decode
    if row.payload is PayloadKind.BYTES:
        return partial(_decode_bytes, BytesDecoder(row.tags, row.struct, row.order))
    if row.payload is PayloadKind.CSV:
        return _Csv(row).decode
    return _Json(row).decode


def _decode_bytes(decoder: BytesDecoder, payload: bytes, place: Place) -> list[Sample]:
    return decoder.decode(payload, place.asset_id, _untimed(place))


def _untimed(place: Place) -> Stamp:
    """Of messages that carry no time: one that the broker kept may be of any age."""
    return _RETAINED if place.is_retained else NO_STAMP


def _stamp(raw: object, form: TimeFormat, place: Place) -> Stamp:
    """Of messages that should carry a time."""
    if raw is not ABSENT:
        try:
            return Stamp(time_us(raw, form))
        except ValueError:
            pass
    return _RETAINED if place.is_retained else _UNDATED


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        msg = f"not UTF-8 at byte {error.start}"
        raise Unreadable(msg) from None


class _Tags:
    """The rows by their parameter's name; a parameter without one is taken as it comes."""

    def __init__(self, rows: Sequence[TagRow], kind: DataType | None = None) -> None:
        """`kind`: the type of a row that says none."""
        self._kind = kind
        self._known = {row.param: Tag(row if row.type is not None else replace(row, type=kind)) for row in rows}
        self._others: dict[str, Tag] = {}

    def of(self, parameter: str) -> Tag:
        found = self._known.get(parameter) or self._others.get(parameter)
        if found is None:
            if len(self._others) >= MOST_OTHERS:
                self._others.clear()
            found = self._others[parameter] = Tag(TagRow(param=parameter, type=self._kind))
        return found


class _Single:
    """A message is one value."""

    _TYPES: ClassVar = {
        PayloadKind.NUMBER: DataType.FLOAT64,
        PayloadKind.TEXT: DataType.STRING,
        PayloadKind.BOOL: DataType.BOOL,
    }
    _REFUSED: ClassVar = {NOT_A_NUMBER: "no number", NOT_A_BOOL: "neither true nor false"}

    def __init__(self, row: TopicRow) -> None:
        self._is_text = row.payload is PayloadKind.TEXT
        self._tags = _Tags(row.tags, self._TYPES[row.payload])

    def decode(self, payload: bytes, place: Place) -> list[Sample]:
        text = _text(payload)
        if not self._is_text and not text.strip():
            raise Unreadable("empty payload")
        sample = self._tags.of(place.parameter).sample(place.asset_id, text, _untimed(place))
        if sample.reason in self._REFUSED:
            msg = f"{self._REFUSED[sample.reason]}: {text[:40]!r}"
            raise Unreadable(msg)
        return [sample]


class _Csv:
    """A message is one or more lines, each a point."""

    def __init__(self, row: TopicRow) -> None:
        self._row = row
        self._tags = [(Tag(tag), tag.at) for tag in row.tags]

    def decode(self, payload: bytes, place: Place) -> list[Sample]:
        lines = [line for line in csv.reader(_text(payload).splitlines(), delimiter=self._row.separator) if line]
        names = [name.strip() for name in lines.pop(0)] if self._row.header and lines else []
        if not lines:
            raise Unreadable("no line of values")
        if len(lines) > MOST_POINTS:
            msg = f"more than {MOST_POINTS} lines in one message"
            raise Unreadable(msg)
        samples = [sample for line in lines for sample in self._line(names, line, place)]
        if not samples:
            msg = f"no column {', '.join(repr(at) for _, at in self._tags)} in {lines[0]}"
            raise Unreadable(msg[:200])
        return samples

    def _line(self, names: list[str], line: list[str], place: Place) -> list[Sample]:
        row = self._row
        stamp = _stamp(_cell(names, line, row.time), row.time_format, place) if row.time else _untimed(place)
        found = [(tag, _cell(names, line, at)) for tag, at in self._tags]
        return [
            tag.sample(place.asset_id, raw if raw != "" else None, stamp) for tag, raw in found if raw is not ABSENT
        ]


def _cell(names: list[str], line: list[str], at: str) -> object:
    """A column by its name in the header, or its number from 1."""
    index = int(at) - 1 if at.isdecimal() and not names else -1
    if at in names:
        index = names.index(at)
    return _of_cell(line[index]) if 0 <= index < len(line) else ABSENT


def _of_cell(text: str) -> object:
    """A cell that is a number is one, also without a type."""
    plain = text.strip()
    try:
        return float(plain) if plain and "_" not in plain else plain
    except ValueError:
        return plain


class _Json:
    """A message is one JSON value; or many points in an array of it."""

    def __init__(self, row: TopicRow) -> None:
        self._row = row
        self._time = _path(row.time)
        self._points = _path(row.points)
        self._name, self._value, self._quality = _path(row.name), _path(row.value), _path(row.quality)
        self._tags = [] if row.name else [(Tag(tag), parse_path(tag.at)) for tag in row.tags]
        self._named = _Tags(row.tags if row.name else ())
        self._skipped = row.time.removeprefix("$").removeprefix("@").removeprefix(".") or None

    def decode(self, payload: bytes, place: Place) -> list[Sample]:
        whole = parse_json(payload)
        samples = [sample for point in self._all(whole) for sample in self._point(whole, point, place)]
        if not samples:
            raise Unreadable(self._nothing())
        return samples

    def _all(self, whole: Any) -> list[Any]:
        if self._points is None:
            return [whole]
        found = self._points.find(whole)
        if not isinstance(found, list) or len(found) > MOST_POINTS:
            msg = f"{self._row.points} is no array of at most {MOST_POINTS} points"
            raise Unreadable(msg)
        return found

    def _point(self, whole: Any, point: Any, place: Place) -> list[Sample]:
        stamp = _untimed(place)
        if self._time is not None:
            stamp = _stamp(self._time.find(whole, point), self._row.time_format, place)
        if self._quality is not None:
            stamp = _graded(self._quality.find(whole, point), stamp)
        if self._name is not None and self._value is not None:
            name, value = self._name.find(whole, point), self._value.find(whole, point)
            if not isinstance(name, str) or not name or value is ABSENT:
                return []
            return [self._named.of(name).sample(place.asset_id, value, stamp)]
        if self._tags:
            found = [(tag, path.find(whole, point)) for tag, path in self._tags]
            return [tag.sample(place.asset_id, raw, stamp) for tag, raw in found if raw is not ABSENT]
        return self._everything(point, place, stamp)

    def _everything(self, point: Any, place: Place, stamp: Stamp) -> list[Sample]:
        """Every value under its dotted name, below that of the topic's parameter where it names one."""
        samples = []
        for name, raw in leaves(point):
            parameter = ".".join(part for part in (place.parameter, name) if part)
            if parameter and name != self._skipped:
                samples.append(self._named.of(parameter).sample(place.asset_id, raw, stamp))
        return samples

    def _nothing(self) -> str:
        if self._name is not None:
            return f"no {self._row.name} with {self._row.value}"
        if self._tags:
            return f"nothing at {', '.join(tag.row.at for tag, _ in self._tags)}"[:200]
        return "no value in it"


def _path(text: str) -> Path | None:
    return parse_path(text) if text else None


def _graded(raw: object, stamp: Stamp) -> Stamp:
    """What the source says of its value; the worse of that and the stamp's own."""
    if isinstance(raw, str):
        quality = _WORDS.get(raw.strip().lower(), Quality.UNCERTAIN)
    elif isinstance(raw, bool):
        quality = Quality.GOOD if raw else Quality.BAD
    elif isinstance(raw, int | float):  # as in OPC DA: the upper two of eight bits
        quality = Quality.GOOD if raw >= 192 else Quality.UNCERTAIN if raw >= 64 else Quality.BAD
    else:
        quality = Quality.UNCERTAIN
    if quality <= stamp.quality:
        return stamp
    return stamp._replace(quality=quality, reason=SOURCE_BAD if quality is Quality.BAD else SOURCE_UNCERTAIN)
