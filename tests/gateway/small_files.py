"""Small files as a broker of Kafka 4.2.2 left them, and a log directory made of them."""

from pathlib import Path

META = (
    b"#\n#Fri Nov 27 02:33:33 UTC 2026\nnode.id=1\ndirectory.id=GUhPU4w7Q1CSUHXxWR9hew\nversion=1\n"
    b"cluster.id=ZdSYyD_AQZ-AHxKoM-ooig\n"
)
OTHER_META = META.replace(b"GUhPU4w7", b"AUhPU4w7").replace(b"ZdSYyD", b"AdSYyD")
QUORUM = b'{"leaderId":1,"leaderEpoch":2,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}'
METADATA_TOPIC = b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"
TOPIC = b"version: 0\ntopic_id: IksfH8kRQ0Cieth9iQf2lg"
OFFSETS = b"0\n3\ntelemetry.1min 0 0\n__consumer_offsets 0 1\nalarms.raw 0 200\n"
EPOCHS = b"0\n2\n0 0\n3 1200\n"
# The first snapshot of a quorum of one: a header, the voter with its directory's id, a footer.
SNAPSHOT = bytes.fromhex(
    "00000000000000000000009a0000000002d752f7c0002000000002000001a21ad9d428000001a21ad9d428ffffffffffffff"
    "ffffffffffffff000000032a0000000800000003160000000001a21ad9d42000001e00000208000000050a00000001000082"
    "0100000408000000066e0000020000000119484f538c3b4350925075f1591f617b020b434f4e54524f4c4c45520a3132372e"
    "302e302e31a85900000000010000000000000000000000030000003f000000000227daab23002000000000000001a21ad9d4"
    "49000001a21ad9d449ffffffffffffffffffffffffffff000000011a00000008000000040600000000"
)
SNAPSHOT_NAME = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"
# A TopicRecord as it stands in a batch of the metadata log.
TOPIC_RECORD = bytes.fromhex("01020009" + b"flow.raw".hex() + "224b1f1fc9114340a27ad87d8907f696" + "00")


def log_directory(data: Path) -> Path:
    """A log of one topic with two partitions, sound in every small file."""
    metadata = data / "__cluster_metadata-0"
    metadata.mkdir(parents=True)
    for name, content in files().items():
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(content)
    (metadata / "00000000000000000000.log").write_bytes(SNAPSHOT[:154] + b"...")
    return data


def files() -> dict[str, bytes]:
    """Path relative to the log directory -> content."""
    metadata = "__cluster_metadata-0"
    found = {
        "meta.properties": META,
        "bootstrap.checkpoint": SNAPSHOT,
        SNAPSHOT_NAME: SNAPSHOT,
        f"{metadata}/quorum-state": QUORUM,
        f"{metadata}/partition.metadata": METADATA_TOPIC,
        f"{metadata}/leader-epoch-checkpoint": EPOCHS,
        "replication-offset-checkpoint": OFFSETS,
        "cleaner-offset-checkpoint": OFFSETS,
        "recovery-point-offset-checkpoint": OFFSETS,
        "log-start-offset-checkpoint": b"",
    }
    for number in (0, 1):
        found[f"flow.raw-{number}/partition.metadata"] = TOPIC
        found[f"flow.raw-{number}/leader-epoch-checkpoint"] = EPOCHS
    return found
