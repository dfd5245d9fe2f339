"""CSV payloads: each line is a point; columns by number or by the names of the first line. Pure."""

import csv

from streamforge.adapters.mqtt_config import TopicRow
from streamforge.adapters.mqtt_json import ABSENT
from streamforge.adapters.mqtt_message import MOST_POINTS, Place, stamp_of, text_of, untimed
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_tags import Tag


class CsvDecoder:
    """A message is one or more lines, each a point."""

    def __init__(self, row: TopicRow) -> None:
        self._row = row
        self._tags = [(Tag(tag), tag.at) for tag in row.rows]

    def decode(self, payload: bytes, place: Place) -> list[Sample]:
        lines = self._lines(payload)
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

    def _lines(self, payload: bytes) -> list[list[str]]:
        text = text_of(payload)
        try:
            return [line for line in csv.reader(text.splitlines(), delimiter=self._row.separator) if line]
        except csv.Error as error:  # a cell of more than 128 KiB
            msg = f"no CSV: {error}"
            raise Unreadable(msg) from None

    def _line(self, names: list[str], line: list[str], place: Place) -> list[Sample]:
        row = self._row
        stamp = stamp_of(_cell(names, line, row.time), row.time_format, place) if row.time else untimed(place)
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
