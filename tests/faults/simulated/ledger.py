"""The product's own ledger, taken of the simulated gateway."""

import json
from pathlib import Path
from unittest.mock import patch

from streamforge.gateway import ledger
from streamforge.gateway.ledger import Ledger, units
from tests.faults.simulated.life import Life
from tests.faults.simulated.world import World

SOCKETS = {
    "adapter": "streamforge-adapter-plant@plant",
    "sink-exact": "streamforge-sink-exact@exact",
    "sink-repeating": "streamforge-sink-repeating@repeating",
}


def take(world: World) -> Ledger:
    """Ask the units as their sockets would answer, and read the log."""
    run = world.directory / "run"
    run.mkdir()
    names = {}
    for name, service in SOCKETS.items():
        (run / f"{service}.sock").touch()
        names[f"{service}.sock"] = name

    def ask(path: Path, *_: object) -> bytes:
        component = world.units[names[path.name]].component
        if component is None:
            raise ConnectionRefusedError(path.name)
        health = component.health()
        return json.dumps({"unit": path.stem, "status": health.status, "details": health.details}).encode()

    with patch.object(units, "ask", ask):
        return ledger.take(world.connection(Life("ledger", world.broker)), run)
