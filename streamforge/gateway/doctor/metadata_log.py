"""Ids out of Kafka's own metadata log, when nothing else has them.

The records are looked for by the bytes around the ids, in every batch that is still legible: a damaged log gives what
it can. Shapes by Kafka's message definitions TopicRecord (frame 1, api key 2, version 0), ProducerIdsRecord (the same,
api key 15) and VotersRecord (version 0).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from streamforge.gateway.doctor.files import ID_BYTES, NODE_ID, encoded_id

_TOPIC_RECORD = b"\x01\x02\x00"
# One voter, its number, its directory's id; then one endpoint, which has the controller listener's name.
_VOTERS = re.compile(
    b"\x00\x00\x02" + int(NODE_ID).to_bytes(4, "big") + b"(.{%d})\x02\x0bCONTROLLER" % ID_BYTES, re.DOTALL
)
# Broker, its epoch, the next id, no tagged fields.
_PRODUCER_IDS = re.compile(b"\x01\x0f\x00" + int(NODE_ID).to_bytes(4, "big") + b".{8}(.{8})\x00", re.DOTALL)
_LAST_ONE_BYTE_LENGTH = 126  # a compact string's length plus one is a varint


def topic_id(metadata: Path, topic: str) -> str:
    """The id of the topic that was last made under that name; empty where none is found."""
    name = topic.encode()
    if len(name) > _LAST_ONE_BYTE_LENGTH:
        return ""
    head = re.escape(_TOPIC_RECORD + bytes([len(name) + 1]) + name)
    return _last(metadata, re.compile(head + b"(.{%d})\x00" % ID_BYTES, re.DOTALL))


def directory_id(metadata: Path) -> str:
    """The id of the only voter's log directory; empty where it is not found."""
    return _last(metadata, _VOTERS)


def next_producer_id(metadata: Path) -> int:
    """The first producer id that was never given out; 0 where none was."""
    found = [int.from_bytes(match[1], "big") for text in _contents(metadata) for match in _PRODUCER_IDS.finditer(text)]
    return max(found, default=0)


def _last(metadata: Path, pattern: re.Pattern[bytes]) -> str:
    found = ""
    for content in _contents(metadata):
        for match in pattern.finditer(content):
            found = encoded_id(match[1])
    return found


def _contents(metadata: Path) -> Iterator[bytes]:
    """Snapshots and segments, older first: both have their first offset as name."""
    paths = [path for path in metadata.glob("*") if path.suffix in (".log", ".checkpoint")]
    for path in sorted(paths, key=lambda path: path.name[:20]):
        try:
            yield path.read_bytes()
        except OSError:
            continue
