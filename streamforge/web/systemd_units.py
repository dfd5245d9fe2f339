"""What systemd says of our units: read with `systemctl show`, which needs no rights."""

import subprocess
from dataclasses import dataclass

PATTERNS = ("streamforge-*.service", "kafka.service")
_PROPERTIES = "Id,LoadState,ActiveState,SubState,Result,NRestarts,StatusText,ExecMainStatus,Type"
_TIMEOUT_SECONDS = 3.0
EXIT_CONFIG = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdUnit:
    """One unit as systemd sees it; `name` is without ".service"."""

    name: str
    active: str
    sub: str
    result: str
    restarts: int = 0
    status: str = ""
    exit_status: int = 0
    is_oneshot: bool = False

    @property
    def is_failed(self) -> bool:
        """Whether systemd gave it up."""
        return self.active == "failed"

    @property
    def has_bad_configuration(self) -> bool:
        """Whether it ended because its configuration is wrong."""
        return self.exit_status == EXIT_CONFIG and self.active != "active"


def read() -> tuple[SystemdUnit, ...]:
    """Every loaded unit of ours; empty where there is no systemd to ask."""
    command = ["systemctl", "show", *PATTERNS, f"--property={_PROPERTIES}", "--no-pager"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse(done.stdout)


def parse(text: str) -> tuple[SystemdUnit, ...]:
    """The answer of `systemctl show`: blocks of key=value, one block a unit."""
    blocks = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.split("\n\n"))
    return tuple(_unit(block) for block in blocks if block.get("LoadState") == "loaded")


def _unit(block: dict[str, str]) -> SystemdUnit:
    return SystemdUnit(
        name=block.get("Id", "").removesuffix(".service"),
        active=block.get("ActiveState", ""),
        sub=block.get("SubState", ""),
        result=block.get("Result", ""),
        restarts=_number(block.get("NRestarts", "")),
        status=block.get("StatusText", ""),
        exit_status=_number(block.get("ExecMainStatus", "")),
        is_oneshot=block.get("Type") == "oneshot",
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
