"""The independent judge of a chain: what stands in topics and export, counted without the product's ledger."""

import gzip
import json
import zlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from streamforge.bus.connection import Connection
from streamforge.bus.reader import Reader
from streamforge.codec import decode
from streamforge.model import AggregateBatch, ReadingBatch

BatchKey = tuple[str, int, int]


@dataclass(slots=True)
class Found:
    """Batches by (adapter, epoch, seq), how often each stands, and how many readings it has."""

    times: Counter[BatchKey] = field(default_factory=Counter)
    readings: dict[BatchKey, int] = field(default_factory=dict)
    rejected: dict[BatchKey, int] = field(default_factory=dict)
    before: dict[BatchKey, int] = field(default_factory=dict)

    def doubles(self) -> list[BatchKey]:
        """Batches that stand more than once."""
        return [key for key, times in self.times.items() if times > 1]

    def holes(self) -> list[tuple[BatchKey, BatchKey]]:
        """Neighbours between which a seq, or a count of readings, is missing."""
        keys = sorted(self.times)
        return [
            (a, b)
            for a, b in pairwise(keys)
            if a[:2] == b[:2] and (b[2] != a[2] + 1 or self.before[b] != self.before[a] + self.readings[a])
        ]


def in_topic(connection: Connection, topic: str) -> Found:
    """Every reading batch of a topic; `readings` counts what was taken out of a clean batch (`rejected`), too."""
    found = Found()
    for record in records(connection, topic):
        if isinstance(record, ReadingBatch):
            key = (record.source.adapter_id, record.epoch, record.seq)
            found.times[key] += 1
            found.rejected[key] = sum(record.rejected.values())
            found.readings[key] = len(record) + found.rejected[key]
            found.before[key] = record.count_before
    return found


def dead_letters(connection: Connection) -> Counter[tuple[str, int, int, str]]:
    """How often each rejected reading (adapter, epoch, seq, parameter) stands in the dead letters."""
    return Counter(
        (record.source.adapter_id, record.epoch, record.seq, parameter)
        for record in records(connection, "dlq.telemetry")
        if isinstance(record, ReadingBatch)
        for parameter in record.names.parameters
    )


def windows(connection: Connection, topic: str) -> Counter[tuple[str, int, int]]:
    """How often each (asset, window start, revision) stands in an aggregate topic."""
    return Counter(
        (record.asset_id, record.window_start_us, record.revision)
        for record in records(connection, topic)
        if isinstance(record, AggregateBatch)
    )


def records(connection: Connection, topic: str) -> list[object]:
    """Every record of a topic, decoded, partition by partition."""
    reader = Reader(connection)
    try:
        return [
            decode(fetched.value)
            for place in reader.partitions(topic)
            for fetched in reader.stretch(place, reader.starts([place])[place], reader.ends([place])[place])
        ]
    finally:
        reader.close()


def in_export(folder: Path) -> Counter[tuple[str, int, int, int]]:
    """How often each reading (adapter, epoch, seq, index) stands in the exported files (layout reading)."""
    return Counter(
        (line["metadata"]["adapter_id"], line["metadata"]["epoch"], line["metadata"]["seq"], line["metadata"]["index"])
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for line in _lines(path)
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return []
