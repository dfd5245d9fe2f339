"""Power cuts under a real adapter: what the gateway's `data_loss` event says against what is really lost (I2).

Epochs and promises lie on the disk that is cut. After each cut the doctor and `streamforge reconcile` run as their
units run them; the judge counts what a plain client finds.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.adapters.epochs import noted
from streamforge.bus.connection import Connection
from streamforge.gateway.cut_losses import Promise
from streamforge.gateway.reconcile import look_again, reconcile
from streamforge.incarnations import FILE
from streamforge.model import Event, ReadingBatch, Topic
from tests.faults import log
from tests.faults.adapter import ADAPTER, RunningAdapter
from tests.faults.barrier import barrier
from tests.faults.disk import Cut
from tests.faults.rig import Rig, rig
from tests.faults.seen import Seen

CUT, PUT_BACK = "power cut, loss announced", "broker's disk put back under a running adapter"
RAW, EVENTS = Topic.TELEMETRY_RAW.value, Topic.EVENTS_CLEAN.value
UNIT = f"streamforge-adapter-test@{ADAPTER}"
CUTS_A_ROUND = 4
FIRST_SECONDS, SPAN_SECONDS = 2.0, 1.5
RECONCILE_SECONDS = 60.0


def play(seed: str, count: int) -> Iterator[Seen]:
    """`count` power cuts in rounds, and after each round one disk put back under an adapter that lives on."""
    with rig(has_cache=False) as site:
        for first in range(0, count, CUTS_A_ROUND):
            yield from play_round(site, f"{seed}-{first // CUTS_A_ROUND}", min(CUTS_A_ROUND, count - first), first)
            yield put_back(site, f"{seed}-{first // CUTS_A_ROUND}", first // CUTS_A_ROUND)


def play_round(site: Rig, seed: str, cuts: int, number: int = 0) -> Iterator[Seen]:
    """One run of the adapter with some lives, cut at moments drawn by the seed."""
    with TemporaryDirectory(prefix="sf-") as run:
        site.boot(Path(run))
        connection = replace(site.broker.connection("adapter-modbus-tcp"), incarnations_file=Path(run) / FILE)
        adapter = RunningAdapter(connection, site.disk.point / "state" / UNIT, seed)
        with barrier(site.disk.point):
            taken = _cut_while_running(site, adapter, seed, cuts)
    for index, cut in enumerate(taken):
        with TemporaryDirectory(prefix="sf-") as run:
            yield replace(_examine(site, cut, adapter, Path(run)), seed=seed, number=number + index)
        cut.file.unlink()


def _cut_while_running(site: Rig, adapter: RunningAdapter, seed: str, cuts: int) -> list[Cut]:
    """Between two cuts the adapter lives on, is killed, or stops in order, and begins anew."""
    draw = random.Random(f"{seed}:moments")
    adapter.start()
    taken = []
    time.sleep(FIRST_SECONDS)
    for index in range(cuts):
        time.sleep(draw.uniform(0.0, SPAN_SECONDS))
        taken.append(site.disk.cut(f"announced-{index}"))
        end = draw.choice([None, adapter.kill, adapter.stop])
        if end is not None:
            end()
            adapter.start()
    adapter.stop()
    return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What the gateway says of one cut, in readings."""

    events: int
    at_least: int
    at_most: int


def _examine(site: Rig, cut: Cut, adapter: RunningAdapter, run: Path) -> Seen:
    recovery_seconds = site.recover(cut, RAW, run)
    standing = _standing(site)
    said = _reconciled(site, run)
    before, until = adapter.acknowledged(cut.began_seconds), adapter.acknowledged(cut.ended_seconds)
    lost = _missing(before, standing)
    return Seen(
        fault=CUT,
        seed="",
        number=0,
        acknowledged=before.total(),
        lost=lost,
        is_reported=said.events == 1,
        recovery_seconds=recovery_seconds,
        figures={"at_least_readings": said.at_least, "at_most_readings": said.at_most},
        breaches=judge(said, lost=lost, lost_at_most=_missing(until, standing)),
    )


def judge(said: Announced, *, lost: int, lost_at_most: int) -> list[str]:
    """I2: every cut has its event, and its bounds hold. `lost` of what was acknowledged before the cut began,
    `lost_at_most` of what was until it ended.
    """
    found = []
    if said.events != 1:
        found.append(f"I2: {said.events} events for one cut")
    if said.at_most < lost:
        found.append(f"I2: {lost} readings are lost, and the event says {said.at_most} at most")
    if said.at_least > lost_at_most:
        found.append(f"I2: {lost_at_most} readings are lost, and the event says {said.at_least} at least")
    return found


def _missing(acknowledged: Counter[int], standing: Counter[int]) -> int:
    return sum(max(0, count - standing[epoch]) for epoch, count in acknowledged.items())


def _standing(site: Rig) -> Counter[int]:
    """Epoch -> readings on the log."""
    found: Counter[int] = Counter()
    for record in log.records(site.admin, RAW):
        if isinstance(record, ReadingBatch):
            found[record.epoch] += len(record)
    return found


def _reconciled(site: Rig, run: Path) -> Announced:
    """Run the unit's command, and take what stands on events.clean."""
    environment = (
        os.environ
        | site.broker.environment("reconcile")
        | {
            "STREAMFORGE_ROOT": str(site.disk.point),
            "STREAMFORGE_RUN": str(run),
            "STATE_DIRECTORY": str(_state(site)),
        }
    )
    command = [sys.executable, "-m", "streamforge", "reconcile"]
    with barrier(site.disk.point, run):
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=RECONCILE_SECONDS)
    return _announced([one for one in log.records(site.admin, EVENTS) if isinstance(one, Event)])


def _state(site: Rig) -> Path:
    state = site.disk.point / "state" / "streamforge-reconcile"
    state.mkdir(exist_ok=True)
    return state


def _announced(events: list[Event]) -> Announced:
    found = [one.details for one in events if one.type == "data_loss"]
    newest = found[-1] if found else {}
    return Announced(
        events=len(found),
        at_least=int(newest.get("readings_at_least", 0)),
        at_most=int(newest.get("readings_at_most", 0)),
    )


def put_back(site: Rig, seed: str, number: int) -> Seen:
    """The broker's disk goes back to what it was some moments ago, as a snapshot does; the adapter knows nothing.

    Its next record shows the hole: the last event names the exact count.
    """
    with TemporaryDirectory(prefix="sf-") as run, TemporaryDirectory() as state:
        site.boot(Path(run))
        connection = replace(site.admin, incarnations_file=Path(run) / FILE)
        adapter = RunningAdapter(connection, Path(state) / UNIT, seed)
        adapter.start()
        time.sleep(FIRST_SECONDS)
        cut = site.disk.cut("put-back")
        time.sleep(random.Random(f"{seed}:put_back").uniform(0.2, SPAN_SECONDS))
        adapter.wait_for_acknowledgement()
        recovery_seconds = site.recover(cut, RAW, Path(run))
        events = _reconcile_beside(connection, Path(state))
        adapter.stop()
        acknowledged, standing = adapter.acknowledged(time.monotonic()), _standing(site)
        cut.file.unlink()
    lost, said = _missing(acknowledged, standing), _announced(events)
    breaches = judge(replace(said, events=1), lost=lost, lost_at_most=lost)
    if not said.at_least == said.at_most == lost:
        breaches.append(f"I2: {lost} readings are lost, the event says {said.at_least} to {said.at_most}")
    return Seen(
        fault=PUT_BACK,
        seed=seed,
        number=number,
        acknowledged=acknowledged.total(),
        lost=lost,
        is_reported=bool(events),
        recovery_seconds=recovery_seconds,
        figures={"at_least_readings": said.at_least, "at_most_readings": said.at_most, "events": said.events},
        breaches=breaches,
    )


def _reconcile_beside(connection: Connection, state: Path) -> list[Event]:
    """Reconcile as the unit does while an adapter runs."""
    promises = {
        adapter: [
            Promise(epoch=one.epoch, read=one.read, promised=one.promised, incarnation=one.incarnation, began=one.began)
            for one in counts
        ]
        for adapter, counts in noted(state).items()
    }
    events = reconcile(connection, promises, state, {ADAPTER})
    return [*events, *look_again(connection, promises, state, seconds=RECONCILE_SECONDS)]
