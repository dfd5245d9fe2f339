"""kill -9 and SIGSTOP of one unit at random moments, under load, in a running chain that is judged at rest.

A round is one chain. Its faults follow each other at drawn moments; when the last has been recovered from, the chain
comes to rest, and topics and targets are judged. What the round acknowledged, lost and doubled is noted at its last
fault, so that the sums of a table are right.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.bench.chain import Load
from tests.broker import new_broker
from tests.faults import targets, whole
from tests.faults.gateway import (
    ADAPTER,
    AGGREGATOR,
    DATABASE,
    FILE,
    KAFKA,
    LOAD,
    RESTART_SECONDS,
    VALIDATOR,
    Gateway,
)
from tests.faults.rest import come_to_rest
from tests.faults.seen import Seen

A_ROUND = 20
UNITS = {
    "broker": KAFKA,
    "adapter": ADAPTER,
    "validator": VALIDATOR,
    "aggregator": AGGREGATOR,
    "file-sink": FILE,
    "postgres-sink": DATABASE,
}
MOST_FIRST_ACKNOWLEDGEMENT_SECONDS = 10.0
BACK_SECONDS = 180.0
QUIET_SECONDS = (0.2, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A running gateway and the readers of its targets."""

    gateway: Gateway
    targets: targets.Targets


@contextmanager
def chain(load: Load = LOAD) -> Iterator[Chain]:
    """A gateway without a disk of its own, with a file sink and a PostgreSQL sink, where readings flow."""
    with TemporaryDirectory(prefix="sf-") as name, targets.database(Path(name) / "postgres") as server:
        root = Path(name) / "gateway"
        broker = new_broker(Path(name) / "broker")
        broker.broker = replace(broker.broker, data=root / "kafka" / "data")
        with broker:
            pass  # formatted, with topics, users and rights; the supervisor starts it from now on
        with Gateway(root, broker) as gateway:
            gateway.configure(load)
            reads = targets.own_files(gateway) | targets.rows(gateway, server, "plant")
            gateway.plant(load)
            gateway.boot()
            for sink in gateway.sinks:
                gateway.wait_for("delivery", partial(_delivers, gateway, sink, 0), BACK_SECONDS)
            yield Chain(gateway=gateway, targets=reads)


def play(fault: str, do: Callable[[Gateway, random.Random], Seen], seed: str, first: int, count: int) -> Iterator[Seen]:
    """The faults from number `first` on, in rounds."""
    for start in range(first, first + count, A_ROUND):
        numbers = range(start, min(start + A_ROUND, first + count))
        with chain() as running:
            done = [_one(running.gateway, do, fault, seed, number) for number in numbers]
            done[-1] = judged(running)(done[-1])
        yield from done


def _one(gateway: Gateway, do: Callable[[Gateway, random.Random], Seen], fault: str, seed: str, number: int) -> Seen:
    draw = random.Random(f"{seed}:{fault}:{number}")
    time.sleep(draw.uniform(*QUIET_SECONDS))
    return replace(do(gateway, draw), fault=fault, seed=seed, number=number)


def judged(running: Chain) -> Callable[[Seen], Seen]:
    """Bring the chain to rest and judge it; what this adds to a fault."""
    gateway = running.gateway
    come_to_rest(gateway)
    held = whole.hold(gateway.admin, {name: read() for name, read in running.targets.items()})
    found = whole.judge(held, {}, gateway.noted())
    return lambda last: replace(
        last,
        acknowledged=sum(held.raw.readings.values()),
        lost=found.lost + found.skipped,
        doubled=found.doubled,
        breaches=[*last.breaches, *found.breaches, *whole.unreported(found, 0)],
    )


def _nothing(recovery_seconds: float, breaches: list[str], **figures: float) -> Seen:
    return Seen(
        fault="", seed="", number=0, acknowledged=0,
        recovery_seconds=recovery_seconds, breaches=breaches, figures=figures | {"load_average": os.getloadavg()[0]},
    )  # fmt: skip


def kill_broker(gateway: Gateway, draw: random.Random) -> Seen:
    """Until the adapter is told of the next readings that are on the log."""
    began = time.monotonic()
    gateway.kill_broker(draw)
    time.sleep(RESTART_SECONDS)
    before = gateway.acknowledged()
    gateway.start_unit(KAFKA)
    gateway.wait_for("an acknowledgement", lambda: gateway.acknowledged() > before, BACK_SECONDS)
    seconds = time.monotonic() - began
    late = f"first acknowledgement after {seconds:.1f} s, {MOST_FIRST_ACKNOWLEDGEMENT_SECONDS:.0f} s promised"
    return _nothing(seconds, [late] if seconds > MOST_FIRST_ACKNOWLEDGEMENT_SECONDS else [])


def kill_unit(unit: str, gateway: Gateway, draw: random.Random) -> Seen:
    """Until the unit works again."""
    del draw
    began = time.monotonic()
    gateway.kill(unit)
    time.sleep(RESTART_SECONDS)
    gateway.start_unit(unit)
    gateway.wait_for(f"{unit} to work again", partial(works, gateway, unit), BACK_SECONDS)
    return _nothing(time.monotonic() - began, [])


def stop_unit(unit: str, span_seconds: tuple[float, float], gateway: Gateway, draw: random.Random) -> Seen:
    """SIGSTOP for a while that is drawn, then SIGCONT; until readings are acknowledged and delivered again."""
    seconds = draw.uniform(*span_seconds)
    pid = gateway.jvm if unit == KAFKA else gateway.processes[unit].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    gateway.wait_for(f"{unit} to work again", partial(works, gateway, unit), BACK_SECONDS)
    for sink in gateway.sinks:
        held = gateway.delivered(sink)
        gateway.wait_for("delivery", partial(_delivers, gateway, sink, held), BACK_SECONDS)
    return _nothing(time.monotonic() - began, [], stopped_seconds=seconds)


def works(gateway: Gateway, unit: str) -> bool:
    """Whether a unit says that it is well, and an adapter that readings arrive. Raises OSError while it is silent."""
    if unit == ADAPTER and not gateway.acknowledged():
        return False
    return bool(gateway.health(unit)["state"] == "HEALTHY")


def _delivers(gateway: Gateway, sink: str, beyond: int) -> bool:
    return gateway.delivered(sink) > beyond


def _kill(name: str) -> Callable[[str, int, int], Iterator[Seen]]:
    do = kill_broker if name == "broker" else partial(kill_unit, UNITS[name])
    return partial(play, f"kill -9 of the {name}", do)


def _stop(name: str) -> Callable[[str, int, int], Iterator[Seen]]:
    span = (60.0, 60.0) if name == "broker" else (1.0, 12.0)
    return partial(play, f"SIGSTOP of the {name}", partial(stop_unit, UNITS[name], span))


KILLS = {f"kill-{name}": _kill(name) for name in UNITS}
STOPS = {f"stop-{name}": _stop(name) for name in UNITS}
