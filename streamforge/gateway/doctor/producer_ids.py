"""The producer ids that the broker has given out: `kafka/producer-ids.json`.

They stand in Kafka's metadata log alone. Where that is damaged Kafka cuts it and gives ids out a second time, and the
records of a new producer with a known id are refused, or taken for repeats: acknowledged and never written.
"""

import json
from pathlib import Path

from streamforge.durable import write_durably
from streamforge.gateway.doctor.layout import METADATA_PARTITION, directory_id
from streamforge.gateway.doctor.metadata_log import next_producer_id

FILE = "producer-ids.json"
_MODE = 0o640


def keep(kafka: Path) -> None:
    """Note up to which id all may be in use, where that has grown. Raises OSError."""
    found = next_producer_id(kafka / "data" / METADATA_PARTITION)
    if found > known(kafka):
        content = json.dumps({"directory_id": directory_id(kafka / "data"), "next": found})
        write_durably(kafka / FILE, content.encode(), mode=_MODE)


def known(kafka: Path) -> int:
    """The first id that was not in use yet before this start; 0 for a log that is new."""
    try:
        raw = json.loads((kafka / FILE).read_text())
        return int(raw["next"]) if raw["directory_id"] == directory_id(kafka / "data") else 0
    except (OSError, ValueError, TypeError, KeyError):
        return 0
