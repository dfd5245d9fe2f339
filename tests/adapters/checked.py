"""A configuration that a probe writes, as `streamforge check` judges it."""

from pathlib import Path

from streamforge.cli.find import loader
from streamforge.gateway.instances import check


def faults_of(directory: Path, kind: str, text: str) -> list[str]:
    """What `streamforge check` says of a gateway with this one instance; nothing = the service takes it."""
    site = directory / "site"
    folder = site / "adapters" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "found.toml").write_text(text)
    return [str(fault) for fault in check(site, loader)]
