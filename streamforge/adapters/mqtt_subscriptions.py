"""What the broker is asked for, and what its session was last asked for: kept, so that a change is seen."""

import json
from collections.abc import Mapping
from pathlib import Path

from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_topics import parse_pattern
from streamforge.durable import write_durably
from streamforge.logs import Log

FILE_NAME = "subscriptions.json"
REFUSED = 128  # MQTT 5, 3.9.3: reason codes from here on are refusals
_SPARKPLUG = ("NBIRTH/+", "NDEATH/+", "NDATA/+", "DBIRTH/+/+", "DDEATH/+/+", "DDATA/+/+")
_MODE = 0o640
_log = Log("adapter")


def wanted(config: MqttConfig) -> dict[str, int]:
    """Filter -> QoS."""
    source = config.source
    rows = {parse_pattern(row.topic).filter: source.qos if row.qos is None else row.qos for row in config.topics}
    groups = [f"spBv1.0/{group}/{rest}" for group in config.sparkplug.groups for rest in _SPARKPLUG]
    return {**dict.fromkeys(groups, source.qos), **rows}


class SubscriptionFile:
    """Beside the unit's other state; without a directory nothing is remembered."""

    def __init__(self, directory: Path | None, session: str) -> None:
        """`session`: which broker's, under which client id."""
        self._path = directory / FILE_NAME if directory is not None else None
        self._session = session

    def load(self) -> dict[str, int]:
        """What the session was asked for; empty = not known."""
        try:
            held = json.loads(self._path.read_text()) if self._path is not None else {}
            return {str(name): int(qos) for name, qos in held["filters"].items()} if self._is_own(held) else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _is_own(self, held: Mapping[str, object]) -> bool:
        return held.get("session") == self._session

    def save(self, filters: Mapping[str, int]) -> None:
        """A disk that does not take it costs one more subscription at the next connection."""
        if self._path is None:
            return
        try:
            held = {"session": self._session, "filters": dict(filters)}
            write_durably(self._path, json.dumps(held).encode(), mode=_MODE)
        except OSError as error:
            _log.warning("subscriptions_not_saved", reason=str(error))
