"""`[limits]` of an instance as a runtime drop-in of its unit, never above what the unit's template grants."""

import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path

from streamforge.config import Limits
from streamforge.gateway.instances import Instance
from streamforge.gateway.systemctl import Systemctl

NAME = "50-limits.conf"
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def set_limits(systemctl: Systemctl, instances: Iterable[Instance]) -> list[str]:
    """Write the drop-ins of these units, drop those no longer wanted; what was cut to the ceiling, for people."""
    wanted = {one.unit: limits for one in instances if (limits := _limits(one.file)) != Limits()}
    stale = list(systemctl.drop_ins.glob(f"streamforge-*.service.d/{NAME}"))
    for path in stale:
        shutil.rmtree(path.parent)
    if stale:
        systemctl.run("daemon-reload")  # so that the templates' own figures are seen
    if not wanted:
        return []
    ceilings = systemctl.show(sorted(wanted), ("MemoryMax", "CPUQuotaPerSecUSec"))
    notes: list[str] = []
    for unit, limits in wanted.items():
        lines = ["[Service]"]
        lines += _memory(unit, limits.memory, ceilings.get(unit, {}).get("MemoryMax", ""), notes)
        lines += _cpu(unit, limits.cpu, ceilings.get(unit, {}).get("CPUQuotaPerSecUSec", ""), notes)
        folder = systemctl.drop_ins / f"{unit}.service.d"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        (folder / NAME).write_text("\n".join(lines) + "\n")
        (folder / NAME).chmod(0o644)
    systemctl.run("daemon-reload")
    return notes


def _limits(file: Path) -> Limits:
    raw = tomllib.loads(file.read_text()).get("limits", {}) if file.exists() else {}
    return Limits(**raw)


def _memory(unit: str, wanted: str, ceiling: str, notes: list[str]) -> list[str]:
    if not wanted:
        return []
    size = int(wanted[:-1]) * _UNITS[wanted[-1]] if wanted[-1] in _UNITS else int(wanted)
    if ceiling.isdecimal() and size > int(ceiling):
        notes.append(f"{unit}: memory {wanted} is cut to its template's {int(ceiling) // 1024**2}M")
        return []
    return [f"MemoryMax={size}"]


def _cpu(unit: str, wanted: str, ceiling: str, notes: list[str]) -> list[str]:
    if not wanted:
        return []
    percent = _percent(ceiling)
    if percent is not None and int(wanted[:-1]) > percent:
        notes.append(f"{unit}: cpu {wanted} is cut to its template's {percent:.0f}%")
        return []
    return [f"CPUQuota={wanted}"]


def _percent(per_second: str) -> float | None:
    """systemd's CPUQuotaPerSecUSec ("500ms", "1s", "1.500000s", "infinity") as per cent of one core."""
    for unit, scale in (("us", 0.0001), ("ms", 0.1), ("s", 100.0)):
        number = per_second.removesuffix(unit)
        if number != per_second and number.replace(".", "", 1).isdecimal():
            return float(number) * scale
    return None
