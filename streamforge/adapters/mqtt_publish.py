"""One PUBLISH packet, of MQTT 3.1.1 or 5, as values. Pure.

The client library's own reading of it builds an object of every property that MQTT 5 knows, for each message: more work
than all the rest. Of the properties none concerns us, so they are passed over.
"""

from typing import NamedTuple

EXACTLY_ONCE = 2  # never asked for: see docs/adapters/mqtt.md


class MalformedError(ValueError):
    """Bytes that are no PUBLISH which we may be sent."""


class Published(NamedTuple):
    """A message; `topic` "" = it is not UTF-8; `mid` 0 = it is not to be acknowledged."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    is_marked: bool
    is_retained: bool


def parse_publish(first: int, body: bytes | bytearray, *, is_v5: bool) -> Published:
    """`first` is the byte before the length, `body` what follows it. Raises MalformedError."""
    qos = first >> 1 & 3
    topic_end = 2 + int.from_bytes(body[:2], "big")
    at = topic_end + (2 if qos else 0)
    if qos >= EXACTLY_ONCE or at > len(body):
        msg = f"PUBLISH of QoS {qos}, {len(body)} bytes"
        raise MalformedError(msg)
    mid = int.from_bytes(body[topic_end:at], "big")
    if is_v5:
        at = _after_properties(body, at)
    try:
        topic = body[2:topic_end].decode()
    except UnicodeDecodeError:
        topic = ""
    return Published(topic, bytes(body[at:]), mid, qos, bool(first & 8), bool(first & 1))


def _after_properties(body: bytes | bytearray, at: int) -> int:
    length = shift = 0
    while True:
        if at >= len(body) or shift > 21:
            raise MalformedError("PUBLISH whose properties have no end")
        byte = body[at]
        at += 1
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if at + length > len(body):
        raise MalformedError("PUBLISH whose properties have no end")
    return at + length
