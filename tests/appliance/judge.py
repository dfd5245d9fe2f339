"""The independent judge of an appliance, beside its network: `judge LEADER` prints one JSON object.

It counts what stands in topics and export without the product's ledger (tests/chain/checker.py). The broker listens on
the container's loopback alone, so this runs as a process of the host in the container's network namespace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from streamforge.bus.connection import Connection
from streamforge.model import AggregateBatch, ReadingBatch
from tests.appliance.container import REPOSITORY, Container
from tests.chain import checker

WINDOWS = {"telemetry.1s": 1, "telemetry.10s": 10, "telemetry.1min": 60}
PASSWORD = "var/lib/streamforge/credentials/kafka-admin"
SECOND_US = 1_000_000
NO_FAULTS = {"readings", "rejected", "windows"}
EXPORT = "var/lib/private/streamforge/export/export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found. Lost and doubled are readings for the export, batches for topics, records for windows."""

    readings: int
    rejected: int
    raw_holes: list[object]
    raw_doubled: list[object]
    clean_missing: int
    clean_doubled: list[object]
    export_missing: int
    export_doubled: int
    windows: dict[str, int]
    windows_doubled: list[object]
    windows_wrong: list[object]

    @property
    def is_complete(self) -> bool:
        """Whether all that was read has come through; more may still be on its way where not."""
        return self.readings > 0 and not self.clean_missing and not self.export_missing

    def faults(self) -> dict[str, object]:
        """What must be empty."""
        return {key: value for key, value in asdict(self).items() if key not in NO_FAULTS and value}


def ask(container: Container) -> Verdict:
    """Judge the container as it stands now."""
    words, environment = command(container, __name__)
    return Verdict(**json.loads(subprocess.check_output(words, text=True, env=environment, timeout=120)))


def command(container: Container, module: str) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of a module that runs beside the container's network; its argument is the leader."""
    words = ["nsenter", "--target", str(container.leader), "--net", "--", sys.executable, "-m", module]
    return [*words, str(container.leader)], {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def connection(root: Path) -> Connection:
    """To the broker at hand, as its admin whose password lies below `root`."""
    password = (root / PASSWORD).read_text().strip()
    return Connection(bootstrap="127.0.0.1:9092", username="admin", password=password, client_id="judge")


def judge(root: Path) -> Verdict:
    """Count everything in the broker at hand and in the export below `root`."""
    admin = connection(root)
    raw, clean = checker.in_topic(admin, "telemetry.raw"), checker.in_topic(admin, "telemetry.clean")
    export = checker.in_export(root / EXPORT)
    windows = {topic: checker.windows(admin, topic) for topic in WINDOWS}
    readings, rejected = sum(raw.readings.values()), sum(clean.rejected.values())
    return Verdict(
        readings=readings,
        rejected=rejected,
        raw_holes=list(raw.holes()),
        raw_doubled=list(raw.doubles()),
        clean_missing=sum(count for key, count in raw.readings.items() if clean.readings.get(key) != count),
        clean_doubled=list(clean.doubles()),
        export_missing=readings - rejected - len(export),
        export_doubled=sum(times - 1 for times in export.values()),
        windows_wrong=wrong_windows(admin),
        windows={topic: len(found) for topic, found in windows.items()},
        windows_doubled=[(topic, *key) for topic in windows for key, times in windows[topic].items() if times > 1],
    )


def wrong_windows(admin: Connection) -> list[object]:
    """Closed windows with another number of readings than clean has there: (topic, asset, start, in clean, in window).

    What the validator took out counts where its batch stands, for a window counts it as BAD.
    """
    seconds: Counter[tuple[str, int]] = Counter()
    for batch in checker.records(admin, "telemetry.clean"):
        if isinstance(batch, ReadingBatch):
            asset_id = batch.source.asset_id
            seconds.update((asset_id, batch.device_time_us(index) // SECOND_US) for index in range(len(batch)))
            at_us = batch.device_time_us(0) if len(batch.device_times_us) == 1 else batch.gateway_time_us
            seconds[asset_id, (at_us or batch.gateway_time_us) // SECOND_US] += sum(batch.rejected.values())
    return [
        (topic, *place, has, told.get(place, 0))
        for topic, size in WINDOWS.items()
        for told in (_told(admin, topic),)
        for place, has in _windowed(seconds, size).items()
        if place[1] <= max((start for asset_id, start in told if asset_id == place[0]), default=0)
        and told.get(place, 0) != has
    ]


def _windowed(seconds: Counter[tuple[str, int]], size: int) -> Counter[tuple[str, int]]:
    """Readings by asset and start of the window."""
    found: Counter[tuple[str, int]] = Counter()
    for (asset_id, second), count in seconds.items():
        if count:
            found[asset_id, second - second % size] += count
    return found


def _told(admin: Connection, topic: str) -> dict[tuple[str, int], int]:
    """Readings by asset and start, as the last revision of each window says."""
    newest = sorted(
        (record for record in checker.records(admin, topic) if isinstance(record, AggregateBatch)),
        key=lambda record: record.revision,
    )
    return {
        (record.asset_id, record.window_start_us // SECOND_US): sum(record.count) + sum(record.bad) for record in newest
    }


if __name__ == "__main__":
    print(json.dumps(asdict(judge(Path(f"/proc/{sys.argv[1]}/root")))))
