"""From a message to its readings, by the row that its topic belongs to. Pure."""

from functools import partial
from typing import ClassVar

from streamforge.adapters.mqtt_bytes import BytesDecoder
from streamforge.adapters.mqtt_config import PayloadKind, TopicRow
from streamforge.adapters.mqtt_csv import CsvDecoder
from streamforge.adapters.mqtt_message import Decode, Place, Tags, text_of, untimed
from streamforge.adapters.mqtt_points import JsonDecoder
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_tags import NOT_A_BOOL, NOT_A_NUMBER
from streamforge.adapters.tags import DataType


def decoder_of(row: TopicRow) -> Decode:
    """What reads the row's messages; it raises Unreadable for a payload that is none."""
    if row.is_single:
        return _Single(row).decode
    if row.payload is PayloadKind.BYTES:
        return partial(_decode_bytes, BytesDecoder(row.rows, row.struct, row.order))
    if row.payload is PayloadKind.CSV:
        return CsvDecoder(row).decode
    return JsonDecoder(row).decode


def _decode_bytes(decoder: BytesDecoder, payload: bytes, place: Place) -> list[Sample]:
    return decoder.decode(payload, place.asset_id, untimed(place))


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
        self._tags = Tags(row.rows, self._TYPES[row.payload])

    def decode(self, payload: bytes, place: Place) -> list[Sample]:
        text = text_of(payload)
        if not self._is_text and not text.strip():
            raise Unreadable("empty payload")
        sample = self._tags.of(place.parameter).sample(place.asset_id, text, untimed(place))
        if sample.reason in self._REFUSED:
            msg = f"{self._REFUSED[sample.reason]}: {text[:40]!r}"
            raise Unreadable(msg)
        return [sample]
