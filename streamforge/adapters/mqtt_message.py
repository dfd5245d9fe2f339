"""What the readings of a message have in common, whatever its payload: place, time, quality, tags by name. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from streamforge.adapters.mqtt_json import ABSENT
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_tags import NO_DEVICE_TIME, NO_STAMP, RETAINED, Stamp, Tag
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


def untimed(place: Place) -> Stamp:
    """Of messages that carry no time: one that the broker kept may be of any age."""
    return _RETAINED if place.is_retained else NO_STAMP


def stamp_of(raw: object, form: TimeFormat, place: Place) -> Stamp:
    """Of messages that should carry a time."""
    if raw is not ABSENT:
        try:
            return Stamp(time_us(raw, form))
        except ValueError:
            pass
    return _RETAINED if place.is_retained else _UNDATED


def graded(raw: object, stamp: Stamp) -> Stamp:
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


def text_of(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        msg = f"not UTF-8 at byte {error.start}"
        raise Unreadable(msg) from None


class Tags:
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
