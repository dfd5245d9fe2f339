"""Fault: every sync of the disk takes long. Readings, alarms and events go on being acknowledged, and the barrier says
what is wrong.

`play(seed, count)` plays all cases, `count` times.
"""

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.faults import log
from tests.faults.barrier import Barrier, barrier
from tests.faults.cases import ALARMS, EVENTS, TELEMETRY
from tests.faults.invariants import Standing
from tests.faults.plant import Stream, Traffic, running
from tests.faults.rig import Rig
from tests.faults.seen import Seen
from tests.faults.slow_syncs import slow_syncs

EPOCH = 1
# 400 readings a second from twenty devices once a second each, and more alarms and events than a person can read.
TRAFFIC = (
    Traffic(topic=TELEMETRY, per_second=(20, 20), readings=(20, 20), linger_ms=20),
    Traffic(topic=ALARMS, per_second=(1, 1), readings=(1, 1), linger_ms=0),
    Traffic(topic=EVENTS, per_second=(1, 1), readings=(1, 1), linger_ms=0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One disk: how long each of its syncs takes, what an acknowledgement may take then, and what the barrier says."""

    fault: str
    sync_seconds: float
    ack_p99_seconds: float
    state: str
    seconds: float = 30.0


CASES = (
    Case(fault="a sync takes 15 ms", sync_seconds=0.015, ack_p99_seconds=0.2, state="HEALTHY"),
    Case(fault="a sync takes 100 ms", sync_seconds=0.1, ack_p99_seconds=1.0, state="HEALTHY"),
    Case(fault="a sync takes 500 ms", sync_seconds=0.5, ack_p99_seconds=3.0, state="DEGRADED"),
)


def play(site: Rig, seed: str, count: int, cases: Sequence[Case] = CASES) -> Iterator[Seen]:
    """Each case `count` times, from the state after the first boot."""
    for number in range(count):
        for case in cases:
            yield _play(site, case, f"{seed}-{number}", number)


def _play(site: Rig, case: Case, seed: str, number: int) -> Seen:
    with ExitStack() as undo:
        disk = undo.enter_context(slow_syncs())
        undo.callback(site.broker.kill)
        disk.run(site.boot)
        synced = disk.run(lambda: undo.enter_context(barrier(site.disk.point)))
        plant = undo.enter_context(running(site.admin, TRAFFIC, seed, EPOCH))
        time.sleep(2.0)  # all clients have sent their first
        disk.delay_seconds = case.sync_seconds
        began = time.monotonic()
        time.sleep(case.seconds)
        ended = time.monotonic()
        said = _said(synced)
        disk.delay_seconds = 0.0
        for stream in plant.streams.values():
            stream.stop()
        there = {topic: log.standing(site.admin, topic, epoch=EPOCH) for topic in plant.streams}
        return _judge(case, seed, number, list(plant.streams.values()), there, said, (began, ended))


def _said(synced: Barrier) -> dict[str, float | str]:
    """What the unit says of the disk: its state, its figures, and how many syncs its histogram has."""
    health = json.loads(synced.ask())
    lines = synced.ask("/metrics").splitlines()
    total = {name: _value(lines, f"streamforge_sync_seconds_{name}") for name in ("count", "sum")}
    return {"state": health["state"], "status": health["status"], "p50_ms": health["details"]["p50_ms"], **total}


def _value(lines: list[str], metric: str) -> float:
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


def _judge(
    case: Case,
    seed: str,
    number: int,
    streams: list[Stream],
    there: dict[str, list[Standing]],
    said: dict[str, float | str],
    during: tuple[float, float],
) -> Seen:
    figures = {"syncd_p50_ms": float(said["p50_ms"])}
    breaches = []
    for stream in streams:
        took = latencies(stream, *during)
        p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
        figures |= {f"{stream.topic}_ack_p50_ms": p50 * 1e3, f"{stream.topic}_ack_p99_ms": p99 * 1e3}
        if p99 > case.ack_p99_seconds:
            breaches.append(f"{stream.topic}: ack p99 {p99:.2f} s, {case.ack_p99_seconds} s allowed")
    if said["state"] != case.state:
        breaches.append(f"syncd says {said['state']}: {said['status']}, {case.state} expected")
    if figures["syncd_p50_ms"] < case.sync_seconds * 1e3:
        breaches.append(f"syncd's histogram shows {figures['syncd_p50_ms']} ms")
    lost = sum(len({one.number for one in s.acknowledged} - {x.number for x in there[s.topic]}) for s in streams)
    doubled = sum(len(found) - len({one.number for one in found}) for found in there.values())
    if lost or doubled:
        breaches.append(f"I3, I4: {lost} lost, {doubled} doubled")
    return Seen(
        fault=case.fault,
        seed=seed,
        number=number,
        acknowledged=sum(len(stream.acknowledged) for stream in streams),
        lost=lost,
        doubled=doubled,
        figures={name: round(value, 1) for name, value in figures.items()},
        breaches=breaches,
    )


def latencies(stream: Stream, began_seconds: float, ended_seconds: float) -> list[float]:
    """From handing a batch over to its acknowledgement, of those handed over in that time; all, however late."""
    at = {one.number: one.at_seconds for one in stream.acknowledged}
    sent = enumerate(stream.sent_seconds, 1)
    return [at[number] - moment for number, moment in sent if began_seconds <= moment < ended_seconds and number in at]
