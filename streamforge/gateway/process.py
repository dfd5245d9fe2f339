"""Child processes: that never outlive us, and what they take."""

from pathlib import Path


def dies_with_parent(command: list[str]) -> list[str]:
    """The command, killed by the kernel when its parent dies (PR_SET_PDEATHSIG; setpriv is util-linux's)."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


def resident_bytes(pid: int) -> int:
    """Resident memory of that process; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    kibibytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(kibibytes[0]) * 1024 if kibibytes else 0
