"""`gateway.toml`: what concerns the gateway as a whole."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from streamforge.config.loading import load
from streamforge.config.values import Bounds
from streamforge.gateway.topics import MAX_PARTITIONS, MEBIBYTE, smallest_budget_bytes

_SIZE = re.compile(r"(\d+)([KMGT]?)")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """The local log. `partitions` counts when topics are made, `disk_limit` ("20G"; empty: 85 % of the disk) always."""

    partitions: Annotated[int, Bounds(1, MAX_PARTITIONS)] = 1
    disk_limit: str = ""

    def __post_init__(self) -> None:
        if self.disk_limit and not _SIZE.fullmatch(self.disk_limit):
            msg = f'disk_limit = "{self.disk_limit}" is not a size such as "20G"'
            raise ValueError(msg)
        smallest = smallest_budget_bytes(self.partitions)
        if self.disk_limit and self.disk_limit_bytes < smallest:
            least = -(-smallest // MEBIBYTE)
            msg = f'disk_limit = "{self.disk_limit}" is too small for {self.partitions} partitions: at least "{least}M"'
            raise ValueError(msg)

    @property
    def disk_limit_bytes(self) -> int:
        """0 = no limit of its own."""
        match = _SIZE.fullmatch(self.disk_limit)
        return int(match[1]) * _UNITS[match[2]] if match else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """One table a subject."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)


def load_settings(directory: Path) -> GatewaySettings:
    """The settings of a generation's directory; defaults where it has no gateway.toml. Raises ConfigError."""
    path = directory / "gateway.toml"
    return load(path, GatewaySettings) if path.exists() else GatewaySettings()
