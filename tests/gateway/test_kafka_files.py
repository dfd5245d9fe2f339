"""The broker's small files: what Kafka wrote is right, and whatever the disk made of it is seen."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforge.gateway.doctor.files import Kind, fault, is_id, partition_metadata, properties
from streamforge.gateway.doctor.snapshots import snapshot_fault
from tests.gateway.small_files import EPOCHS, META, METADATA_TOPIC, OFFSETS, QUORUM, SNAPSHOT, TOPIC

SAMPLES = {
    Kind.META_PROPERTIES: META,
    Kind.QUORUM_STATE: QUORUM,
    Kind.PARTITION_METADATA: TOPIC,
    Kind.LEADER_EPOCHS: EPOCHS,
    Kind.OFFSETS: OFFSETS,
    Kind.SNAPSHOT: SNAPSHOT,
}
# Kafka writes both, and reads both as `none`.
MAY_BE_EMPTY = {Kind.LEADER_EPOCHS, Kind.OFFSETS}
every_kind = pytest.mark.parametrize("kind", Kind)


@every_kind
def test_what_kafka_wrote_is_right(kind: Kind) -> None:
    assert fault(kind, SAMPLES[kind]) == ""
    assert fault(Kind.PARTITION_METADATA, METADATA_TOPIC) == ""


@every_kind
def test_a_file_that_was_cut_anywhere_is_seen(kind: Kind) -> None:
    whole = SAMPLES[kind]
    for length in range(1, len(whole)):
        says_the_same = kind is Kind.META_PROPERTIES and whole[length:] == b"\n"
        assert says_the_same or fault(kind, whole[:length]), whole[:length]


@every_kind
def test_empty_and_zeroed_are_seen(kind: Kind) -> None:
    assert fault(kind, b"") == ("" if kind in MAY_BE_EMPTY else "empty")
    assert fault(kind, bytes(len(SAMPLES[kind]))) == "zeroed"
    assert fault(kind, SAMPLES[kind][:8] + bytes(len(SAMPLES[kind]) - 8))


@given(st.sampled_from(Kind), st.binary(max_size=300))
def test_no_content_raises(kind: Kind, content: bytes) -> None:
    fault(kind, content)


@given(st.sampled_from(Kind), st.integers(0), st.integers(1, 127))
def test_a_changed_character_raises_nothing_and_a_byte_above_ascii_is_seen(kind: Kind, at: int, by: int) -> None:
    content = bytearray(SAMPLES[kind])
    content[at % len(content)] ^= by
    fault(kind, bytes(content))
    content[at % len(content)] |= 0x80
    assert kind is Kind.SNAPSHOT or fault(kind, bytes(content))


@given(st.integers(17, len(SNAPSHOT) - 1), st.integers(1, 255))
def test_a_snapshots_checksum_is_looked_at(at: int, by: int) -> None:
    """The first batch's base offset and epoch stand outside it."""
    content = bytearray(SNAPSHOT)
    content[at] ^= by
    is_outside = any(begin <= at < begin + 8 or begin + 12 <= at < begin + 16 for begin in (166,))
    assert is_outside or snapshot_fault(bytes(content))


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z][a-z._-]{0,40}", fullmatch=True), st.integers(0, 11), st.integers(0, 2**63 - 1))
    )
)
def test_every_checkpoint_of_offsets_is_right(entries: list[tuple[str, int, int]]) -> None:
    lines = ["0", str(len(entries)), *(" ".join(map(str, entry)) for entry in entries)]
    content = "".join(f"{line}\n" for line in lines).encode()
    assert fault(Kind.OFFSETS, content) == ""
    assert fault(Kind.OFFSETS, content + b"one 0 1\n") == f"truncated: {len(entries) + 1} of {len(entries)} entries"


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        (
            Kind.META_PROPERTIES,
            META.replace(b"node.id=1", b"node.id=2"),
            "version 1 of node 2, not version 1 of node 1",
        ),
        (Kind.META_PROPERTIES, META.replace(b"version=1\n", b""), "truncated: no version"),
        (Kind.META_PROPERTIES, META.replace(b"ooig", b"oo"), "cluster.id is none: 'ZdSYyD_AQZ-AHxKoM-oo'"),
        (Kind.META_PROPERTIES, b"\xff\xfe" + META, "garbage at byte 0"),
        (Kind.QUORUM_STATE, b"[]", "truncated: not all of data_version, leaderEpoch, leaderId, votedId"),
        (Kind.QUORUM_STATE, QUORUM.replace(b":2", b":-2"), "garbage: a negative epoch"),
        (Kind.QUORUM_STATE, QUORUM.replace(b":2", b':"2"'), "garbage: leaderEpoch is no number"),
        (Kind.PARTITION_METADATA, TOPIC.replace(b": 0", b": 1"), "garbage: 'version: 1'"),
        (Kind.PARTITION_METADATA, partition_metadata("A" * 22), f"the topic id is none: '{'A' * 22}'"),
        (Kind.LEADER_EPOCHS, b"0\n1\n0 -1\n", "garbage: '0 -1'"),
        (Kind.LEADER_EPOCHS, b"0\n2\n0 0\n", "truncated: 1 of 2 entries"),
        (Kind.OFFSETS, b"1\n0\n", "garbage: '1'"),
        (Kind.SNAPSHOT, SNAPSHOT[:166], "truncated: it has no end"),
        (Kind.SNAPSHOT, SNAPSHOT + b"x", "truncated at byte 241"),
    ],
)
def test_the_reason_says_what_is_wrong(kind: Kind, content: bytes, reason: str) -> None:
    assert fault(kind, content) == reason


@given(st.binary(max_size=20))
def test_an_id_is_16_bytes(raw: bytes) -> None:
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert is_id(text) == (len(raw) == 16)
    assert not is_id(text + "!")


def test_properties_are_read_by_key() -> None:
    assert properties(META)["cluster.id"] == "ZdSYyD_AQZ-AHxKoM-ooig"
    assert properties(b"\xff\0 a=b\nnode.id=1") == {"node.id": "1"}
