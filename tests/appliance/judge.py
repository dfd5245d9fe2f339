"""The independent judge of an appliance, beside its network: `judge LEADER` prints one JSON object.

It counts what stands in topics and export without the product's ledger (tests/chain/checker.py). The broker listens on
the container's loopback alone, so this runs as a process of the host in the container's network namespace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from streamforge.bus.connection import Connection
from tests.appliance.container import REPOSITORY, Container
from tests.chain import checker

WINDOWS = ("telemetry.1s", "telemetry.10s", "telemetry.1min")
PASSWORD = "var/lib/streamforge/credentials/kafka-admin"
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

    @property
    def is_complete(self) -> bool:
        """Whether all that was read has come through; more may still be on its way where not."""
        return self.readings > 0 and not self.clean_missing and not self.export_missing

    def faults(self) -> dict[str, object]:
        """What must be empty."""
        return {key: value for key, value in asdict(self).items() if key not in NO_FAULTS and value}


def ask(container: Container) -> Verdict:
    """Judge the container as it stands now."""
    command = ["nsenter", "--target", str(container.leader), "--net", "--", sys.executable, "-m", __name__]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    text = subprocess.check_output([*command, str(container.leader)], text=True, env=environment, timeout=120)
    return Verdict(**json.loads(text))


def judge(root: Path) -> Verdict:
    """Count everything in the broker at hand and in the export below `root`."""
    admin = Connection(
        bootstrap="127.0.0.1:9092", username="admin", password=(root / PASSWORD).read_text().strip(), client_id="judge"
    )
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
        windows={topic: len(found) for topic, found in windows.items()},
        windows_doubled=[(topic, *key) for topic in windows for key, times in windows[topic].items() if times > 1],
    )


if __name__ == "__main__":
    print(json.dumps(asdict(judge(Path(f"/proc/{sys.argv[1]}/root")))))
