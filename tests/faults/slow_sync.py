"""Fault: every sync of the disk takes long. Readings, alarms and events go on being acknowledged, and the barrier says
what is wrong.

An alarm or an event waits for a barrier that begins after the broker's answer: for one sync, or for two where one is
under way.
"""

import json
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from tests.faults import log
from tests.faults.barrier import Barrier, barrier
from tests.faults.cases import ALARMS, EVENTS, TELEMETRY
from tests.faults.invariants import Standing
from tests.faults.plant import Plant, Stream, Traffic, running
from tests.faults.rig import Rig
from tests.faults.seen import Seen
from tests.faults.slow_syncs import slow_syncs

EPOCH = 1
# How long after a case it may take until the barrier's word is the expected one.
WORD_SECONDS = 20.0
# 400 readings a second, of twenty devices read once a second.
READINGS = Traffic(topic=TELEMETRY, per_second=(20, 20), readings=(20, 20), linger_ms=20)
ONE_BY_ONE = tuple(Traffic(topic=topic, per_second=(0, 0), readings=(1, 1), linger_ms=0) for topic in (ALARMS, EVENTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One disk: how long each of its syncs takes, what an acknowledgement may take then, and what the barrier says.

    Besides the readings there is an alarm every `alarm_seconds`, and an event in the middle between two alarms.
    """

    fault: str
    sync_seconds: float
    ack_p99_seconds: float
    state: str
    alarm_seconds: float = 5.0
    seconds: float = 60.0


# An alarm every five seconds is ten times what ISA-18.2 calls a flood; one every second is for the arithmetic.
PROMISED = (
    Case(fault="a sync takes 15 ms", sync_seconds=0.015, ack_p99_seconds=0.2, state="HEALTHY"),
    Case(fault="a sync takes 100 ms", sync_seconds=0.1, ack_p99_seconds=1.0, state="HEALTHY"),
    Case(fault="a sync takes 500 ms", sync_seconds=0.5, ack_p99_seconds=3.0, state="DEGRADED"),
)
CASES = PROMISED + tuple(
    replace(case, fault=f"{case.fault}, an alarm and an event every second", alarm_seconds=1.0) for case in PROMISED
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
        plant = undo.enter_context(running(synced.beside(site.admin), (READINGS, *ONE_BY_ONE), seed, EPOCH))
        time.sleep(1.0)  # the clients know their way
        disk.delay_seconds = case.sync_seconds
        began = time.monotonic()
        _alarms(plant, case, began)
        ended = time.monotonic()
        said = _said(synced, case.state)
        disk.delay_seconds = 0.0
        for stream in plant.streams.values():
            stream.stop()
        there = {topic: log.standing(site.admin, topic, epoch=EPOCH) for topic in plant.streams}
        streams, during = list(plant.streams.values()), (began, ended)
        return _judge(case, streams, there, said=said, during=during, seed=seed, number=number)


def _alarms(plant: Plant, case: Case, began: float) -> None:
    """Alarms and events in turn, each at its time, for as long as the case runs."""
    number = 0
    while (due := number * case.alarm_seconds / 2) < case.seconds:
        time.sleep(max(0.0, began + due - time.monotonic()))
        plant.streams[(ALARMS, EVENTS)[number % 2]].send(1)
        number += 1
    time.sleep(max(0.0, began + case.seconds - time.monotonic()))


def _said(synced: Barrier, expected: str) -> dict[str, float | str]:
    """What the unit says of the disk: its state, for which it may take ten syncs, its figures, and its histogram."""
    deadline = time.monotonic() + WORD_SECONDS
    while (health := json.loads(synced.ask()))["state"] != expected and time.monotonic() < deadline:
        time.sleep(0.5)
    lines = synced.ask("/metrics").splitlines()
    total = {name: _value(lines, f"streamforge_sync_seconds_{name}") for name in ("count", "sum")}
    return {"state": health["state"], "status": health["status"], "p50_ms": health["details"]["p50_ms"], **total}


def _value(lines: list[str], metric: str) -> float:
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


def _judge(
    case: Case,
    streams: list[Stream],
    there: dict[str, list[Standing]],
    *,
    said: dict[str, float | str],
    during: tuple[float, float],
    seed: str,
    number: int,
) -> Seen:
    figures = {"syncd_p50_ms": float(said["p50_ms"])}
    breaches = []
    for stream in streams:
        took = latencies(stream, *during)
        p50, p99 = statistics.median(took), sorted(took)[math.ceil(0.99 * len(took)) - 1]
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
