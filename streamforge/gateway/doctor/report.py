"""What the doctor did at the last start: `kafka/doctor.json`, for `streamforge status` and the page."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from streamforge.clock import now_us
from streamforge.durable import write_durably

FILE = "doctor.json"
_MODE = 0o640
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was not as it should be. `file` is relative to the directory `kafka`; `is_grave`: records are out
    of reach now, or the broker may not start.
    """

    file: str
    wrong: str
    done: str
    is_grave: bool = False

    def __str__(self) -> str:
        return f"{self.file}: {self.wrong}; {self.done}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of one run: microseconds since 1970 UTC, and the kernel's boot id (a clock may jump, this not)."""

    time_us: int
    boot_id: str
    findings: tuple[Finding, ...]


def boot_id() -> str:
    """The kernel's id of this boot; empty where there is none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def write_report(kafka: Path, findings: Iterable[Finding]) -> None:
    """Leave the findings of this run in `kafka`, also when there is none. Raises OSError."""
    report = Report(time_us=now_us(), boot_id=boot_id(), findings=tuple(findings))
    write_durably(kafka / FILE, json.dumps(asdict(report), indent=1).encode(), mode=_MODE)


def read_report(kafka: Path) -> Report | None:
    """What the doctor did at the last start; None where it never ran, or what it left is no report."""
    try:
        raw = json.loads((kafka / FILE).read_text())
        findings = tuple(Finding(**one) for one in raw["findings"])
        return Report(time_us=int(raw["time_us"]), boot_id=str(raw["boot_id"]), findings=findings)
    except (OSError, ValueError, TypeError, KeyError):
        return None
