"""JSON payloads: one set of readings, or the many points of an array. Pure."""

from typing import Any

from streamforge.adapters.mqtt_config import TopicRow
from streamforge.adapters.mqtt_json import ABSENT, Path, leaves, parse_json, parse_path
from streamforge.adapters.mqtt_message import MOST_POINTS, Place, Tags, graded, stamp_of, untimed
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_tags import Stamp, Tag


class JsonDecoder:
    """A message is one JSON value; or many points in an array of it."""

    def __init__(self, row: TopicRow) -> None:
        self._row = row
        self._time = _path(row.time)
        self._points = _path(row.points)
        self._name, self._value, self._quality = _path(row.name), _path(row.value), _path(row.quality)
        self._tags = [] if row.name else [(Tag(tag), parse_path(tag.at)) for tag in row.rows]
        self._named = Tags(row.rows if row.name else ())
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
        stamp = untimed(place)
        if self._time is not None:
            stamp = stamp_of(self._time.find(whole, point), self._row.time_format, place)
        if self._quality is not None:
            stamp = graded(self._quality.find(whole, point), stamp)
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
