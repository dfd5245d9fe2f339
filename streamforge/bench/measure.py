"""What a process costs, and what the disk is asked: figures from /proc."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_SCHEDULER = 2
# Columns of /proc/diskstats after the name (Linux Documentation/admin-guide/iostats.rst).
_FLUSHES_COLUMN = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds used since the start, and resident memory, of one process."""

    cpu_seconds: float
    rss_bytes: int


def usage(pid: int) -> Usage:
    """Of one process, its threads included, its children not. Raises OSError when it is gone."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(cpu_seconds=time.clock_gettime(_cpu_clock(pid)), rss_bytes=pages * os.sysconf("SC_PAGE_SIZE"))


def _cpu_clock(pid: int) -> int:
    """The process's own clock, as clock_getcpuclockid(3) makes its number; /proc has no more than ticks of 10 ms."""
    return ~pid << 3 | _SCHEDULER


def device_flushes(path: Path) -> int | None:
    """Flush requests completed by the disk that holds `path`; None where that disk does not count them."""
    device = path.stat().st_dev
    wanted = (os.major(device), os.minor(device))
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == wanted and len(fields) > _FLUSHES_COLUMN:
            return int(fields[_FLUSHES_COLUMN])
    return None


def quantile(histogram: dict[float, float], share: float) -> float:
    """The value below which `share` of a cumulative histogram {upper bound: count} lies, interpolated; NaN if empty."""
    bounds = sorted(histogram)
    total = histogram[bounds[-1]] if bounds else 0.0
    if not total:
        return float("nan")
    lower, before = 0.0, 0.0
    for bound in bounds:
        count = histogram[bound]
        if count >= share * total:
            part = (share * total - before) / (count - before) if count > before else 1.0
            return bound if bound == float("inf") else lower + (bound - lower) * part
        lower, before = bound, count
    return float("inf")


def histogram_of(text: str, name: str) -> dict[float, float]:
    """A histogram out of Prometheus' text form: upper bound -> cumulative count."""
    prefix = f'{name}_bucket{{le="'
    rows = [line[len(prefix) :] for line in text.splitlines() if line.startswith(prefix)]
    return {float(row.partition('"')[0]): float(row.rpartition(" ")[2]) for row in rows}
