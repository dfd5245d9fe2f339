"""The whole simulated plant in a container: the configuration of all six adapters, and secrets of this boot alone."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

MODBUS, FIELD = Path("usr/share/streamforge/sim"), Path("usr/share/streamforge/plant")
FACTORY = Path("usr/share/streamforge/factory")
PLANT, BROKER = "streamforge-plant", "streamforge-plant-broker"
ADAPTERS = {
    "modbus-tcp": "plant", "modbus-rtu": "hall", "opcua": "chiller", "mqtt": "hall", "xbee": "wells", "lora": "tanks",
}  # fmt: skip
KEY_BYTES = 16
_TANKS = ("tank_1", "tank_2")


def unit(kind: str) -> str:
    """The adapter that reads that part of the plant."""
    return f"streamforge-adapter-{kind}@{ADAPTERS[kind]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePlant:
    """What systemd-nspawn is told."""

    has_faults: bool = False

    def words(self, image: Path, folder: Path) -> list[str]:
        """The factory's configuration is that of the plant, laid into `folder`; each unit gets its secrets."""
        shutil.copytree(image / MODBUS, folder / "factory")
        shutil.copytree(image / FIELD / "adapters", folder / "factory/adapters", dirs_exist_ok=True)
        words = [f"--bind-ro={folder / 'factory'}:/{FACTORY}"]
        words += [f"--set-credential={name}:{value}" for name, value in _credentials().items()]
        if self.has_faults:
            drop_in = "[Service]\\nEnvironment=PLANT_OPTIONS=--faults\\n"
            words += [f"--set-credential=systemd.unit-dropin.{PLANT}.service:{drop_in}"]
        return words


def _credentials() -> dict[str, str]:
    """Secret -> value, under the name of each unit that has it."""
    opcua, mqtt = secrets.token_urlsafe(KEY_BYTES), secrets.token_urlsafe(KEY_BYTES)
    found = {f"{one}.opcua-password": opcua for one in (PLANT, unit("opcua"))}
    found |= {f"{one}.mqtt-password": mqtt for one in (PLANT, BROKER, unit("mqtt"))}
    for tank in _TANKS:
        for key in ("nwk", "app"):
            value = secrets.token_hex(KEY_BYTES)
            found |= {f"{one}.{tank}-{key}": value for one in (PLANT, unit("lora"))}
    return found
