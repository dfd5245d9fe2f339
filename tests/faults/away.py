"""The broker is away for minutes under load: the adapter's memory stays bounded, and what it kept arrives on return."""

import time
from collections.abc import Iterator
from functools import partial

from streamforge.bench.chain import Load
from streamforge.bench.measure import usage
from tests.faults.gateway import ADAPTER, KAFKA, Gateway
from tests.faults.kills import BACK_SECONDS, chain, judged
from tests.faults.seen import Seen

LOAD = Load(seconds=0, points=100, devices=5, interval_ms=100, only_adapter=False)
AWAY_SECONDS = 600.0
# MemoryMax of units/streamforge-adapter-.service.d/20-adapter.conf
MOST_MIB = 256
SAMPLE_SECONDS = 1.0
MEBIBYTE = 1024 * 1024


def play(seed: str, first: int, count: int, *, away_seconds: float = AWAY_SECONDS) -> Iterator[Seen]:
    """`count` times the broker is killed, and comes back after `away_seconds`; a chain of its own each time."""
    for number in range(first, first + count):
        with chain(LOAD) as running:
            seen = _one(running.gateway, seed, number, away_seconds)
            yield judged(running)(seen)


def _one(gateway: Gateway, seed: str, number: int, away_seconds: float) -> Seen:
    gateway.kill(KAFKA)
    most_mib, most_waiting_mib = _watch(gateway, away_seconds)
    before = gateway.acknowledged()
    began = time.monotonic()
    gateway.start_unit(KAFKA)
    gateway.wait_for("an acknowledgement", lambda: gateway.acknowledged() > before, BACK_SECONDS)
    gateway.wait_for("all that waited", partial(_is_drained, gateway), BACK_SECONDS)
    breaches = [f"the adapter took {most_mib:.0f} MiB, {MOST_MIB} allowed"] if most_mib > MOST_MIB else []
    return Seen(
        fault=f"broker away {away_seconds:.0f} s, 1,000 readings/s",
        seed=seed,
        number=number,
        acknowledged=0,
        recovery_seconds=time.monotonic() - began,
        figures={"adapter_resident_mib": most_mib, "waiting_mib": most_waiting_mib},
        breaches=breaches,
    )


def _watch(gateway: Gateway, seconds: float) -> tuple[float, float]:
    """The most that the adapter has taken, and the most encoded bytes that waited, in MiB."""
    pid, until = gateway.processes[ADAPTER].pid, time.monotonic() + seconds
    resident, waiting = [0.0], [0.0]
    while time.monotonic() < until:
        resident.append(usage(pid).rss_bytes / MEBIBYTE)
        waiting.append(gateway.waiting_bytes() / MEBIBYTE)
        time.sleep(SAMPLE_SECONDS)
    return max(resident), max(waiting)


def _is_drained(gateway: Gateway) -> bool:
    """Less than a second of readings is on its way."""
    return gateway.waiting_bytes() < MEBIBYTE / 8
