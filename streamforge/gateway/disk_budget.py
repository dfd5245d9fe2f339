"""What the log may take of the disk, and whether that is enough to begin with."""

import shutil
from pathlib import Path

from streamforge.errors import ConfigError, Fault
from streamforge.gateway.topics import MEBIBYTE, smallest_budget_bytes

DISK_SHARE_PERCENT = 85


def disk_budget_bytes(data: Path, limit_bytes: int = 0) -> int:
    """What the log may take: the limit where there is one, else 85 % of the file system of `data`."""
    whole = shutil.disk_usage(data).total * DISK_SHARE_PERCENT // 100
    return min(limit_bytes, whole) if limit_bytes else whole


def require_enough(data: Path, budget_bytes: int, partitions: int) -> None:
    """Raises ConfigError where the smallest log of so many partitions does not fit the budget."""
    smallest = smallest_budget_bytes(partitions)
    if budget_bytes >= smallest:
        return
    needed, disk = -(-smallest // MEBIBYTE), -(-smallest * 100 // DISK_SHARE_PERCENT // MEBIBYTE)
    message = (
        f"the log may take {budget_bytes // MEBIBYTE} MiB here, and with {partitions} partitions it needs {needed} MiB"
    )
    hint = f"a data partition of at least {disk} MiB, a disk_limit of at least {needed}M, or fewer partitions"
    raise ConfigError([Fault(file=str(data), message=message, hint=hint)])
