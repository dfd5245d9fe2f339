"""Fault: somebody else fills the data partition to the last block while the plant runs.

The broker cannot live on a full disk: it ends at its first append that needs a block. What is judged is that it comes
back by itself, that nothing acknowledged is lost, and that its unit never uses up the starts that systemd allows.
"""

import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from streamforge.gateway.doctor.ballast import FILE as BALLAST
from tests.faults import log
from tests.faults.barrier import barrier
from tests.faults.cases import ALARM, ALARMS, EVENT
from tests.faults.invariants import Acknowledged, Standing
from tests.faults.kafka_service import KafkaService, kafka_service
from tests.faults.mounts import run
from tests.faults.plant import Plant, running
from tests.faults.rig import Rig
from tests.faults.seen import Seen
from tests.faults.slow_sync import READINGS

EPOCH = 1
BEFORE_SECONDS, AFTER_SECONDS = 3.0, 5.0
RECOVERY_SECONDS = 60.0
START_SECONDS = 60.0
_LARGEST_BYTES, _BLOCK_BYTES = 64 * 1024**2, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Who fills the disk: once, or `is_greedy`, whatever comes free again, too, until it is made to stop.

    The disk stays full for `full_seconds`; `is_cleared`: then room is made, from which on the recovery is measured.
    `is_at_start`: it fills while a broker that was killed reads its log again, after it was looked for room, up to
    `most_delay_seconds` later, drawn by the seed: at once it meets the metadata log, later the topics.
    """

    fault: str
    full_seconds: float
    is_greedy: bool = False
    is_cleared: bool = False
    is_at_start: bool = False
    most_delay_seconds: float = 2.0


FILLED = Case(fault="disk filled to 100 %", full_seconds=30.0)
KEPT_FULL = Case(
    fault="disk kept full, the ballast taken as well, then room",
    full_seconds=60.0,
    is_greedy=True,
    is_cleared=True,
)
FILLED_AT_START = Case(
    fault="disk filled while the broker starts, the ballast taken as well, then room",
    full_seconds=15.0,
    is_greedy=True,
    is_cleared=True,
    is_at_start=True,
)
CASES = (FILLED, KEPT_FULL, FILLED_AT_START)
READS = "starting: the broker reads its log"


def play(site: Rig, seed: str, count: int, cases: Sequence[Case] = CASES) -> Iterator[Seen]:
    """Each case `count` times, from the state after the first boot."""
    for number in range(count):
        for case in cases:
            yield _play(site, case, f"{seed}-{number}", number)


def _play(site: Rig, case: Case, seed: str, number: int) -> Seen:
    site.plug_in()
    run("tune2fs", "-m", "0", site.disk.device)  # processes of a test are root's, whose reserve they would write into
    with ExitStack() as undo:
        synced = undo.enter_context(barrier(site.disk.point))
        service = undo.enter_context(kafka_service(site))
        service.wait_until("active", START_SECONDS)
        plant = undo.enter_context(running(synced.beside(site.admin), (READINGS, ALARM, EVENT), seed, EPOCH))
        time.sleep(BEFORE_SECONDS)
        had_ballast = (site.disk.point / "kafka" / BALLAST).exists()
        if case.is_at_start:
            _kill_and_wait_for_the_next_start(service)
            time.sleep(random.Random(seed).uniform(0, case.most_delay_seconds))
        with filled(site.disk.point, case):
            began = time.monotonic()
            time.sleep(case.full_seconds)
            if not case.is_cleared:
                _wait_for_an_acknowledgement(plant, time.monotonic(), RECOVERY_SECONDS)
        judged = time.monotonic() if case.is_cleared else began
        with suppress(TimeoutError):
            _wait_for_an_acknowledgement(plant, time.monotonic(), RECOVERY_SECONDS)
            time.sleep(AFTER_SECONDS)
        if service.state != "active":
            site.broker.start()  # what stands is read whatever became of the unit
            undo.callback(site.broker.kill)
        for stream in plant.streams.values():
            stream.stop()
        there = {topic: log.standing(site.admin, topic, epoch=EPOCH) for topic in plant.streams}
        return _judge(
            case,
            plant.acknowledged(),
            there,
            service=service,
            judged_seconds=judged,
            had_ballast=had_ballast,
            seed=seed,
            number=number,
        )


def _kill_and_wait_for_the_next_start(service: KafkaService) -> None:
    """Until the next broker reads the log."""
    service.kill()
    deadline = time.monotonic() + START_SECONDS
    while len(service.starts) < 2 or service.said[-1] != READS:
        if time.monotonic() > deadline:
            msg = f"no second start: {service.said}"
            raise TimeoutError(msg)
        time.sleep(0.01)


def _judge(
    case: Case,
    acknowledged: dict[str, list[Acknowledged]],
    there: dict[str, list[Standing]],
    *,
    service: KafkaService,
    judged_seconds: float,
    had_ballast: bool,
    seed: str,
    number: int,
) -> Seen:
    missing = {t: {one.number for one in acknowledged[t]} - {one.number for one in there[t]} for t in there}
    doubled = sum(len(found) - len({one.number for one in found}) for found in there.values())
    outage = outage_seconds([one.at_seconds for one in acknowledged[ALARMS]], judged_seconds)
    breaches = [f"I3: {len(lost)} acknowledged of {topic} are lost" for topic, lost in missing.items() if lost]
    if doubled:
        breaches.append(f"I4: {doubled} stand more than once")
    if outage > RECOVERY_SECONDS:
        breaches.append(f"I6: no alarm was acknowledged for {outage:.0f} s")
    if service.state != "active":
        breaches.append(f"I6, I7: kafka.service is {service.state} after {len(service.starts)} starts")
    if not had_ballast:
        breaches.append("there was no ballast to begin with")
    is_said = any("full" in line for line in service.said)
    return Seen(
        fault=case.fault,
        seed=seed,
        number=number,
        acknowledged=sum(map(len, acknowledged.values())),
        lost=sum(map(len, missing.values())),
        doubled=doubled,
        is_reported=is_said or not case.is_greedy,
        recovery_seconds=round(outage, 1),
        figures={"starts": float(len(service.starts))},
        breaches=breaches,
    )


def outage_seconds(acknowledged: list[float], since: float) -> float:
    """The longest time without an acknowledgement from `since` on; infinite where none came any more."""
    later = sorted(at for at in acknowledged if at > since)
    gaps = [after - before for before, after in zip([since, *later], later, strict=False)]
    return max(gaps, default=float("inf"))


def _wait_for_an_acknowledgement(plant: Plant, since: float, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not any(one.at_seconds > since for one in plant.acknowledged()[ALARMS][-1:]):
        if time.monotonic() > deadline:
            msg = f"no alarm was acknowledged for {seconds:.0f} s"
            raise TimeoutError(msg)
        time.sleep(0.1)


@contextmanager
def filled(point: Path, case: Case) -> Iterator[None]:
    """A file of somebody else's that has every block there is; a greedy one takes what comes free, and is gone then."""
    path, ended = point / "somebody-elses", threading.Event()
    with path.open("wb") as file:
        fill(file.fileno())
        greed = threading.Thread(target=_stay_full, args=(file.fileno(), ended))
        if case.is_greedy:
            greed.start()
        try:
            yield
        finally:
            ended.set()
            if case.is_greedy:
                greed.join()
                path.unlink()


def _stay_full(descriptor: int, ended: threading.Event) -> None:
    while not ended.wait(0.02):
        fill(descriptor)


def fill(descriptor: int) -> None:
    """Make a file longer until not a block is free."""
    size = _LARGEST_BYTES
    while size >= _BLOCK_BYTES:
        try:
            os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, size)
        except OSError:
            size //= 2
