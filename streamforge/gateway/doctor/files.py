"""The broker's small files, each as Kafka 4.2 reads it: bytes in, what is wrong out.

A broker does not start when one of them is damaged, or takes a damaged one for the truth. Formats by Kafka's sources:
PropertiesUtils, FileQuorumStateStore, PartitionMetadataFile, CheckpointFile, LeaderEpochCheckpointFile. Where Kafka
accepts less than a whole file (an empty checkpoint), so does this; where it accepts more than it ever writes, this does
not: a file that was cut in the middle of an identifier must be found here, not after three starts.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable
from enum import StrEnum

from streamforge.gateway.doctor.snapshots import snapshot_fault

ID_BYTES = 16
NODE_ID = "1"
# Kafka's own id of the metadata topic (Uuid.METADATA_TOPIC_ID).
METADATA_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ"
ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
_PROPERTY = re.compile(r"([a-z.]+)=(\S+)")
_TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_NUMBER = re.compile(r"\d{1,19}")  # what fits a long
_QUORUM_KEYS = {"leaderId", "leaderEpoch", "votedId", "data_version"}
_SHOWN_CHARACTERS = 40


class Kind(StrEnum):
    """The kinds, by the names of the files; the last two by how the names end."""

    META_PROPERTIES = "meta.properties"
    QUORUM_STATE = "quorum-state"
    PARTITION_METADATA = "partition.metadata"
    LEADER_EPOCHS = "leader-epoch-checkpoint"
    OFFSETS = "offset-checkpoint"
    SNAPSHOT = ".checkpoint"


# In the log directory itself, each optional: Kafka writes them anew.
OFFSET_CHECKPOINTS = (
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
)


class _WrongError(ValueError):
    """Says in a few words what a file lacks."""


def fault(kind: Kind, content: bytes) -> str:
    """What is wrong with a file of that kind, in a few words; empty where Kafka may have it."""
    if kind is Kind.SNAPSHOT:
        return snapshot_fault(content)
    try:
        _CHECKS[kind](_text(content))
    except _WrongError as wrong:
        return str(wrong)
    return ""


def properties(content: bytes) -> dict[str, str]:
    """Key -> value of a meta.properties; lines that are neither a comment nor key=value are left out."""
    lines = content.decode(errors="replace").splitlines()
    return {match[1]: match[2] for line in lines if (match := _PROPERTY.fullmatch(line))}


def partition_metadata(topic_id: str) -> bytes:
    """A partition.metadata as Kafka writes it. `topic_id`: 22 characters of URL-safe base64."""
    return f"version: 0\ntopic_id: {topic_id}".encode()


def is_id(text: str) -> bool:
    """Whether this is one of Kafka's ids: 16 bytes in URL-safe base64 without padding."""
    try:
        raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == ID_BYTES and encoded_id(raw) == text


def encoded_id(raw: bytes) -> str:
    """16 bytes as Kafka writes an id."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _text(content: bytes) -> str:
    if content and not content.strip(b"\0"):
        raise _WrongError("zeroed")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        raise _WrongError(f"garbage at byte {error.start}") from error


def _lines(text: str, least: int) -> list[str]:
    if not text.strip():
        raise _WrongError("empty")
    lines = text.splitlines()
    if len(lines) < least:
        raise _WrongError(f"truncated after line {len(lines)}")
    return lines


def _expect(line: str, pattern: str) -> str:
    match = re.fullmatch(pattern, line)
    if match is None:
        raise _WrongError(f"garbage: {line[:_SHOWN_CHARACTERS]!r}")
    return match[1]


def _meta_properties(text: str) -> None:
    _lines(text, 1)
    found = properties(text.encode())
    for key in ("version", "node.id", "cluster.id", "directory.id"):
        if key not in found:
            raise _WrongError(f"truncated: no {key}")
    if (found["version"], found["node.id"]) != ("1", NODE_ID):
        raise _WrongError(f"version {found['version']} of node {found['node.id']}, not version 1 of node {NODE_ID}")
    for key in ("cluster.id", "directory.id"):
        if not is_id(found[key]):
            raise _WrongError(f"{key} is none: {found[key][:_SHOWN_CHARACTERS]!r}")


def _quorum_state(text: str) -> None:
    _lines(text, 1)
    try:
        state = json.loads(text)
    except ValueError as error:
        raise _WrongError("truncated or garbage: no JSON") from error
    if not isinstance(state, dict) or not state.keys() >= _QUORUM_KEYS:
        raise _WrongError(f"truncated: not all of {', '.join(sorted(_QUORUM_KEYS))}")
    for key in _QUORUM_KEYS:
        if not isinstance(state[key], int):
            raise _WrongError(f"garbage: {key} is no number")
    if state["leaderEpoch"] < 0:
        raise _WrongError("garbage: a negative epoch")


def _partition_metadata(text: str) -> None:
    lines = _lines(text, 2)
    _expect(lines[0], r"(version: 0)")
    topic_id = _expect(lines[1], r"topic_id: (\S+)")
    if not is_id(topic_id) or topic_id == ZERO_ID:
        raise _WrongError(f"the topic id is none: {topic_id[:_SHOWN_CHARACTERS]!r}")


def _entries(text: str, columns: tuple[re.Pattern[str], ...]) -> None:
    """A checkpoint: version 0, how many, then so many lines of that shape. Empty is Kafka's form of `none`."""
    if not text:
        return
    lines = _lines(text, 2)
    _expect(lines[0], r"(0)")
    count = int(_expect(lines[1], r"(\d{1,9})"))
    if len(lines) != 2 + count:
        raise _WrongError(f"truncated: {len(lines) - 2} of {count} entries")
    if not text.endswith("\n"):
        raise _WrongError("truncated: the last line has no end")  # and its number may have lost digits
    for line in lines[2:]:
        words = line.split(" ")
        if len(words) != len(columns) or not all(map(re.Pattern.fullmatch, columns, words)):
            raise _WrongError(f"garbage: {line[:_SHOWN_CHARACTERS]!r}")


def _offsets(text: str) -> None:
    _entries(text, (_TOPIC_NAME, _NUMBER, _NUMBER))


def _leader_epochs(text: str) -> None:
    _entries(text, (_NUMBER, _NUMBER))


_CHECKS: dict[Kind, Callable[[str], None]] = {
    Kind.META_PROPERTIES: _meta_properties,
    Kind.QUORUM_STATE: _quorum_state,
    Kind.PARTITION_METADATA: _partition_metadata,
    Kind.LEADER_EPOCHS: _leader_epochs,
    Kind.OFFSETS: _offsets,
}
