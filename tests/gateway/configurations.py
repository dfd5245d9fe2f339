"""A small configuration and a systemctl that only notes, for the tests of apply."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamforge.config import Limits, load
from streamforge.errors import ConfigError, Fault
from streamforge.gateway.instances import Loader, Role
from streamforge.gateway.systemctl import Systemctl


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyConfig:
    """What the configurations of these tests hold."""

    adapter_id: str = ""
    value: int = 0
    limits: Limits = field(default_factory=Limits)


def loaders(role: Role, kind: str) -> Loader:
    """Knows one adapter, one sink and both transforms."""
    if kind not in {"modbus-tcp", "file", "validator", "aggregator"}:
        raise ConfigError([Fault(file="", message=f'there is no {role} "{kind}"')])
    return lambda path: load(path, AnyConfig)


def write(directory: Path, **files: str) -> Path:
    """Write files: `adapters__modbus_tcp__a` is adapters/modbus-tcp/a.toml."""
    for name, text in files.items():
        path = directory / (name.replace("__", "/").replace("_", "-") + ".toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder(Systemctl):
    """Notes what it is told, and says what the units are."""

    told: list[tuple[str, ...]] = field(default_factory=list)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, *words: str) -> str:
        """Note the words."""
        self.told.append(words)
        return ""

    def show(self, units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
        """What the test laid down."""
        return {unit: self.properties[unit] for unit in units if unit in self.properties}

    def heard(self) -> list[str]:
        """What was told since the last question, a line each, without what goes without saying."""
        lines = [" ".join(words).replace(" --no-block --", "").replace(" --", "") for words in self.told]
        self.told.clear()
        return [line.replace("streamforge-", "").replace(".service", "") for line in lines]
