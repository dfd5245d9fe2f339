"""Child processes: that never outlive us, and what they take."""

import ctypes
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Have the kernel kill the calling process when its parent dies: a `preexec_fn`, for between fork and exec.

    setpriv(1) does the same, but needs the system call capset, which no unit has.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def resident_bytes(pid: int) -> int:
    """Resident memory of that process; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    kibibytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(kibibytes[0]) * 1024 if kibibytes else 0
