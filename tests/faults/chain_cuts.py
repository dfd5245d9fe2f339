"""Power cuts under a whole chain: log, units' state and a sink's own files on the disk that is cut, two targets not.

Cuts follow each other on one gateway. Each time readings flow, the disk is copied at a drawn moment and everything is
killed; the gateway boots on the copy as after a power cut, with its doctor and `streamforge-reconcile`. New readings
flow, the sinks resume at once or when offsets beyond what they hold were given out anew, all comes to rest and is
judged. The files elsewhere and the customer's database keep what the gateway's disk has lost.
"""

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.gateway.doctor.incarnation import WRITER_FILE
from tests.chain.checker import BatchKey
from tests.faults import log, targets, whole
from tests.faults.disk import Cut
from tests.faults.gateway import ADAPTER, CHAIN, Gateway
from tests.faults.observer import Sighting, Truth, watching
from tests.faults.rest import CLEAN, come_to_rest
from tests.faults.rig import Rig, rig
from tests.faults.seen import Seen
from tests.faults.whole import Judgement

A_ROUND = 10
FLOW_SECONDS = (0.5, 4.0)
AFTER_SECONDS = 1.0
NEW_RECORDS = 20
BACK_SECONDS = 180.0
MOST_WINDOW_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Chain:
    """A gateway on a disk that can be cut, its targets, and the truth; `gone` was lost at earlier cuts."""

    rig: Rig
    gateway: Gateway
    targets: targets.Targets
    truth: Truth = field(default_factory=Truth)
    gone: set[BatchKey] = field(default_factory=set)


@contextmanager
def chain(*, has_cache: bool) -> Iterator[Chain]:
    """A gateway that runs, with all its sinks."""
    with ExitStack() as undo:
        elsewhere = Path(undo.enter_context(TemporaryDirectory(prefix="sf-")))
        server = undo.enter_context(targets.database(elsewhere / "postgres"))
        made = undo.enter_context(rig(has_cache=has_cache))
        made.plug_in()
        gateway = undo.enter_context(Gateway(made.disk.point, made.broker))
        gateway.configure()
        reads = targets.own_files(gateway) | targets.files_elsewhere(gateway, elsewhere / "export")
        reads |= targets.rows(gateway, server, "plant")
        gateway.plant()
        gateway.boot()
        yield Chain(rig=made, gateway=gateway, targets=reads)


def play(fault: str, seed: str, first: int, count: int, *, has_cache: bool) -> Iterator[Seen]:
    """The cuts from number `first` on, in rounds of one gateway each."""
    for start in range(first, first + count, A_ROUND):
        with chain(has_cache=has_cache) as running:
            for number in range(start, min(start + A_ROUND, first + count)):
                yield _one(running, fault, seed, number)


def _one(running: Chain, fault: str, seed: str, number: int) -> Seen:
    draw = random.Random(f"{seed}:{fault}:{number}")
    cut, furthest = _cut(running, draw)
    recovery_seconds = _boot_again(running, cut, beyond=furthest if draw.random() < 0.5 else 0)
    come_to_rest(running.gateway)
    admin = running.gateway.admin
    before = {key: one for key, one in running.truth.before(cut.began_seconds).items() if key not in running.gone}
    held = whole.hold(admin, {name: read() for name, read in running.targets.items()})
    found = whole.judge(held, {key: one.readings for key, one in before.items()})
    for key in running.gone:
        del found.gone[key]
    # What was seen between the copy and the end of the processes is gone, too, and nobody's fault at the next cut.
    running.gone |= found.gone.keys() | (running.truth.batches.keys() - held.raw.times.keys())
    said = whole.reported(admin).get(admin.incarnations().current)
    window_seconds = _window(found, before, cut)
    breaches = [*found.breaches, *whole.unreported(found, said or 0)]
    if said is None:
        breaches.append("I2: no data_loss event for this cut")
    if window_seconds > MOST_WINDOW_SECONDS:
        breaches.append(f"F3: lost as far back as {window_seconds:.2f} s")
    running.gateway.start_unit(ADAPTER)
    return Seen(
        fault=fault,
        seed=seed,
        number=number,
        acknowledged=sum(one.readings for one in before.values()),
        lost=found.lost,
        doubled=found.doubled,
        is_reported=said is not None and found.lost <= said,
        recovery_seconds=recovery_seconds,
        figures={"window_s": window_seconds, "bound": float(said or 0), "skipped": float(found.skipped)},
        breaches=breaches,
    )


def _cut(running: Chain, draw: random.Random) -> tuple[Cut, int]:
    """Cut under flow; the disk's copy, and the furthest position that a sink held in the clean topic."""
    gateway = running.gateway
    with watching(gateway.admin, running.truth):
        gateway.wait_for("readings on the log", lambda: gateway.acknowledged() > 0, BACK_SECONDS)
        time.sleep(draw.uniform(*FLOW_SECONDS))
        furthest = max(gateway.positions(sink).get(CLEAN, 0) for sink in gateway.sinks)
        cut = running.rig.disk.cut("cut")
        gateway.kill_all()  # what a target elsewhere gets until then is more than a real cut would let it have
    return cut, furthest


def _boot_again(running: Chain, cut: Cut, beyond: int) -> float:
    """Boot on the copy; sinks wait until the clean topic is well beyond `beyond`. Seconds to an acknowledgement."""
    gateway, disk = running.gateway, running.rig.disk
    disk.pull_out()
    gateway.forget_run()
    began = time.monotonic()
    disk.plug_in(cut.file)
    cut.file.unlink()
    _another_boot(disk.point / "kafka" / WRITER_FILE)
    gateway.boot(CHAIN)
    gateway.wait_for("an acknowledgement", lambda: gateway.acknowledged() > 0, BACK_SECONDS)
    seconds = time.monotonic() - began
    if beyond:
        end = beyond + NEW_RECORDS
        gateway.wait_for(f"clean beyond {end}", lambda: log.end(gateway.admin, CLEAN) > end, BACK_SECONDS)
    for sink in gateway.sinks:
        gateway.start_unit(sink)
    time.sleep(AFTER_SECONDS)
    return seconds


def _another_boot(writer: Path) -> None:
    """The kernel's boot id does not change here: the note of who wrote last does instead."""
    writer.write_text(json.dumps(json.loads(writer.read_text()) | {"boot_id": "the boot before the cut"}))


def _window(found: Judgement, before: Mapping[BatchKey, Sighting], cut: Cut) -> float:
    """From when the oldest lost batch was seen to the cut's end."""
    lost = [before[key].at_seconds for key in found.gone if key in before]
    return cut.ended_seconds - min(lost, default=cut.ended_seconds)


play_shipped = partial(play, "power cut of a whole chain", has_cache=False)
play_on_a_cache = partial(play, "power cut of a whole chain, disk's cache lost", has_cache=True)
