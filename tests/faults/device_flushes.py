"""Wear: how often the real broker and the real barrier make the disk empty its cache, under load and at rest.

`play(seed, count)` plays both cases, `count` times. The figure is the kernel's own count of the block device. A `sync`
of anybody on the host flushes every disk: an empty one beside it shows how many flushes are of that kind.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.barrier import barrier
from tests.faults.disk import Disk
from tests.faults.plant import Traffic, running
from tests.faults.rig import Rig
from tests.faults.seen import Seen
from tests.faults.slow_sync import READINGS

# What a boot wrote is on the disk, and the broker has done its first rounds, half a minute after its start.
SETTLE_SECONDS = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What runs, for how long it is counted, and how many flushes a second there may be."""

    fault: str
    traffic: tuple[Traffic, ...]
    most_per_second: float
    seconds: float = 60.0
    settle_seconds: float = SETTLE_SECONDS


CASES = (
    Case(fault="400 readings a second", traffic=(READINGS,), most_per_second=12.0),
    # What a boot wrote is behind it; what comes every five minutes (docs/reliability.md) may fall into the minute.
    Case(fault="at rest", traffic=(), most_per_second=0.1),
)


def play(site: Rig, seed: str, count: int, cases: Sequence[Case] = CASES) -> Iterator[Seen]:
    """Each case `count` times, from the state after the first boot."""
    for number in range(count):
        for case in cases:
            yield _play(site, case, f"{seed}-{number}", number)


@contextmanager
def _bystander(disk: Disk) -> Iterator[Disk]:
    """An empty disk beside it."""
    with TemporaryDirectory(dir=disk.file.parent) as folder, Disk(Path(folder), Path(folder) / "point") as empty:
        empty.make()
        yield empty


def _play(site: Rig, case: Case, seed: str, number: int) -> Seen:
    site.boot()
    with ExitStack() as undo:
        undo.callback(site.broker.kill)
        undo.enter_context(barrier(site.disk.point))
        bystander = undo.enter_context(_bystander(site.disk))
        plant = undo.enter_context(running(site.admin, case.traffic, seed))
        time.sleep(case.settle_seconds)
        others, flushes, written = bystander.flushes(), site.disk.flushes(), site.disk.written_bytes()
        time.sleep(case.seconds)
        others_per_second = (bystander.flushes() - others) / case.seconds
        flushes_per_second = (site.disk.flushes() - flushes) / case.seconds - others_per_second
        bytes_per_second = (site.disk.written_bytes() - written) / case.seconds
        acknowledged = sum(map(len, plant.acknowledged().values()))
    most = case.most_per_second
    found = f"{flushes_per_second:.2f} flushes a second, {most} allowed"
    return Seen(
        fault=f"device flushes: {case.fault}",
        seed=seed,
        number=number,
        acknowledged=acknowledged,
        figures={
            "flushes_per_second": round(flushes_per_second, 2),
            "others_per_second": round(others_per_second, 2),
            "written_kilobytes_per_second": round(bytes_per_second / 1e3, 1),
        },
        breaches=[found] if flushes_per_second > most else [],
    )
