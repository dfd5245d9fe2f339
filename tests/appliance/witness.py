"""What came onto telemetry.raw, seen by a plain Kafka client beside the appliance, against what stands at the end.

`python -m tests.appliance.witness LEADER` runs in the container's network namespace, as the judge does. It says
"watching" on a line of its own, and when its standard input ends one JSON object. What it has seen was acknowledged:
a reader is given nothing beyond the high watermark, which one node reaches when it acknowledges.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from streamforge.adapters.epochs import noted
from streamforge.bus.connection import Connection
from streamforge.codec import decode
from streamforge.model import ReadingBatch, Topic
from tests.appliance.container import Container
from tests.appliance.judge import command, connection
from tests.chain import checker
from tests.chain.checker import BatchKey, Found
from tests.faults import log

STATES = "var/lib/private/streamforge/state"
PLACE = TopicPartition(Topic.TELEMETRY_RAW.value, 0)
POLL_MS = 100
# A client that lost its broker asks again after half a minute only; a new one asks at once.
SILENCE_SECONDS = 2.0
READY = "watching"
END_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Readings: `seen` on the log, `gone` of these, and `unfounded`: not there, but noted by the adapter as there."""

    seen: int
    gone: int
    unfounded: int


@dataclass(slots=True)
class Sight:
    """Readings of every batch that was seen, and where to go on."""

    batches: dict[BatchKey, int] = field(default_factory=dict)
    next_offset: int = 0

    def follow(self, admin: Connection, ended: threading.Event) -> None:
        """Note what comes until `ended`; a broker that goes away is waited for, by a new client each time."""
        while not ended.is_set():
            try:
                with log.client(admin) as one:
                    one.assign([PLACE])
                    one.seek(PLACE, self.next_offset)
                    self._note(one, ended)
            except KafkaError:
                ended.wait(POLL_MS / 1000)

    def _note(self, one: Any, ended: threading.Event) -> None:
        heard = time.monotonic()
        while not ended.is_set() and time.monotonic() < heard + SILENCE_SECONDS:
            for record in one.poll(timeout_ms=POLL_MS).get(PLACE, []):
                heard = time.monotonic()
                batch = decode(record.value)
                if isinstance(batch, ReadingBatch):
                    self.batches[batch.source.adapter_id, batch.epoch, batch.seq] = len(batch)
                self.next_offset = record.offset + 1


def compare(batches: dict[BatchKey, int], raw: Found, claimed: Counter[tuple[str, int]]) -> Statement:
    """`claimed`: by adapter and epoch how many readings the adapter noted as acknowledged."""
    stand: Counter[tuple[str, int]] = Counter()
    for key, readings in raw.readings.items():
        stand[key[:2]] += readings
    return Statement(
        seen=sum(batches.values()),
        gone=sum(readings for key, readings in batches.items() if key not in raw.times),
        unfounded=(claimed - stand).total(),
    )


def claims(root: Path) -> Counter[tuple[str, int]]:
    """What the adapters of the appliance noted on disk."""
    return Counter(
        {
            (adapter, count.epoch): count.read - count.dropped
            for adapter, counts in noted(root / STATES).items()
            for count in counts
        }
    )


class Witness:
    """One that watches, in a process of its own; `speak` once, at the end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def speak(self) -> Statement:
        """What it has seen, and what became of it."""
        text, _ = self._process.communicate(timeout=END_SECONDS)
        return Statement(**json.loads(text))


@contextmanager
def watching(container: Container) -> Iterator[Witness]:
    """A witness who watches from now on."""
    words, environment = command(container, __name__)
    process = subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == READY
        yield Witness(process)
    finally:
        process.kill()
        process.wait()


def main(leader: str) -> None:
    """Watch until the standard input ends."""
    root = Path(f"/proc/{leader}/root")
    admin, sight, ended = connection(root), Sight(), threading.Event()
    watcher = threading.Thread(target=sight.follow, args=(admin, ended))
    watcher.start()
    print(READY, flush=True)
    sys.stdin.read()
    ended.set()
    watcher.join()
    print(json.dumps(asdict(compare(sight.batches, checker.in_topic(admin, PLACE.topic), claims(root)))))


if __name__ == "__main__":
    main(sys.argv[1])
