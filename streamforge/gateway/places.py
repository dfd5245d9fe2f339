"""Where the gateway keeps things: the appliance's paths, unless the environment says otherwise."""

import os
from pathlib import Path

FACTORY = Path("/usr/share/streamforge/factory")


def root() -> Path:
    """What outlives a reboot: STREAMFORGE_ROOT."""
    return Path(os.environ.get("STREAMFORGE_ROOT", "/var/lib/streamforge"))


def runtime() -> Path:
    """Sockets and faults of the running units: STREAMFORGE_RUN."""
    return Path(os.environ.get("STREAMFORGE_RUN", "/run/streamforge"))


def configuration() -> Path:
    """The generation in force: STREAMFORGE_CONFIG."""
    return Path(os.environ.get("STREAMFORGE_CONFIG", root() / "config" / "current"))
