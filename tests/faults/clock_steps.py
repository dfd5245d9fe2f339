"""Steps of the wall clock under a whole running chain: real broker, real units, one clock that all of them have.

`play` runs each case with a broker of its own. The judge asks no unit what it delivered: it holds the numbers of the
readings on raw against each other and against those on clean and in the export, and the adapter's count of what it
read against all of them. The events are judged by the steps that were really made.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.adapters.epochs import noted
from streamforge.barrier import UNIT as SYNCD
from streamforge.bench.chain import Load, adapter_toml
from streamforge.bench.site import Site
from streamforge.bus.reader import Reader
from streamforge.errors import Fatal
from streamforge.gateway import event_spool
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port
from streamforge.model import Event
from tests.broker import provide_archive, provide_jars
from tests.chain import checker
from tests.faults.clock_shim import WallClock, settable
from tests.faults.seen import Seen

SECOND_NS = 10**9
HOUR_NS, YEAR_NS = 3_600 * SECOND_NS, 365 * 86_400 * SECOND_NS
TO_1970, TO_NOW = "to 1970", "to now"
ADAPTER, FILE = "streamforge-adapter-modbus-tcp@line", "streamforge-sink-file@out"
TOPICS = ("telemetry.raw", "telemetry.clean")
LOAD = Load(seconds=0, points=50, devices=5, interval_ms=100, only_adapter=False)
# Not how fast the disk is, but whether the barrier's clock is the right one: its interval is half a second.
LEAST_INTERVAL_SECONDS, MOST_INTERVAL_SECONDS = 0.4, 1.0
REST_SECONDS, DELIVERY_SECONDS = 60.0, 20.0

EAGER = """
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=1000
producer.id.expiration.check.interval.ms=1000
"""

Step = int | str
"""Nanoseconds, or TO_NOW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A clock that begins at the machine's time, or at 1970, and is then set; `pause_seconds` between, drawn.

    `broker`: settings in place of the shipped ones, of a control experiment.
    """

    name: str
    steps: tuple[Step, ...]
    begins: str = TO_NOW
    pause_seconds: tuple[float, float] = (2.0, 6.0)
    broker: str = ""


FORWARD = Case(name="clock +1 year", steps=(YEAR_NS,))
BACK = Case(name="clock -1 year", steps=(-YEAR_NS,))
BOOT = Case(name="boot in 1970, then the right time", begins=TO_1970, steps=(TO_NOW,))
THERE_AND_BACK = Case(name="clock +1 year and back", steps=(YEAR_NS, -YEAR_NS))
HOURS_FORWARD = Case(name="clock 20 x +1 h", steps=(HOUR_NS,) * 20, pause_seconds=(0.5, 2.0))
HOURS_BACK = Case(name="clock 20 x -1 h", steps=(-HOUR_NS,) * 20, pause_seconds=(0.5, 2.0))
# What the suite has a minute for.
SMALL = Case(
    name="boot in 1970, the right time, +1 year, -1 year, 2 x 1 h",
    begins=TO_1970,
    steps=(TO_NOW, YEAR_NS, -YEAR_NS, HOUR_NS, HOUR_NS),
    pause_seconds=(0.3, 0.8),
)
# Not played with the others: shows that the judge sees what the shipped settings keep from happening.
CONTROL = Case(
    name="control: clock +1 year, Kafka's own retention",
    steps=(YEAR_NS,),
    broker="log.retention.hours=168\nlog.retention.ms=604800000\n",
)
CASES = (FORWARD, BACK, BOOT, THERE_AND_BACK, HOURS_FORWARD, HOURS_BACK)


@dataclass(slots=True, kw_only=True)
class Run:
    """One run and what it did: the steps made, the barrier's interval meanwhile, the longest until a step was said.

    `read`: what the adapter noted at its end; `recovery_seconds`: from the last pause to the sink's next delivery.
    """

    case: Case
    seed: str
    number: int
    steps_seconds: list[float] = field(default_factory=list)
    interval_seconds: float = 0.0
    said_seconds: float = 0.0
    read: int = 0
    recovery_seconds: float = 0.0


def play(seed: str, cases: Sequence[Case] = CASES, directory: Path | None = None) -> Iterator[Seen]:
    """Each case once, with a broker of its own; `directory` keeps what it wrote."""
    for number, case in enumerate(cases):
        with ExitStack() as undo:
            own = directory or Path(undo.enter_context(TemporaryDirectory(prefix="sf-clock-")))
            yield _play(Run(case=case, seed=seed, number=number), own / f"{number}")


def _play(run: Run, directory: Path) -> Seen:
    directory.mkdir(parents=True)
    with settable(directory) as clock:
        if run.case.begins == TO_1970:
            clock.set(HOUR_NS - time.time_ns())
        with _broker(directory / "broker", run.case) as broker, Site(directory / "site", broker) as site:
            _start(site)
            _make_steps(site, clock, run)
            _come_to_rest(site, run)
            _send_events(site)
            return _seen(site, run)


class _EagerBroker(ThrowAwayBroker):
    """Does every second what a broker does every few minutes: look for what is too old."""

    extra = ""

    def prepare(self) -> None:
        """The shipped settings, and then those of the experiment, which win."""
        super().prepare()
        with self.broker.properties_file.open("a") as file:
            file.write(EAGER + self.extra)


def _broker(directory: Path, case: Case) -> ThrowAwayBroker:
    provide_jars()
    broker = _EagerBroker(directory, archive=provide_archive())
    broker.extra = case.broker
    return broker


def _start(site: Site) -> None:
    port = free_port()
    site.write("adapters/modbus-tcp/line.toml", adapter_toml(LOAD, port))
    site.write("sinks/file/out.toml", "[batch]\nage_ms = 200\n")
    event_spool.place(site.directory).mkdir(parents=True)
    (site.directory / "kafka").mkdir()
    (site.directory / "kafka" / "data").symlink_to(site.broker.broker.data)
    site.start("sim", "web", "sim", "--port", str(port), "--load", f"{LOAD.devices}x{LOAD.registers}")
    site.barrier()
    site.adapter("modbus-tcp", "line")
    site.transform("validator")
    site.transform("aggregator")
    site.sink("file", "out")
    site.wait_for("delivery", lambda: _delivered(site) > 0, REST_SECONDS)


def _make_steps(site: Site, clock: WallClock, run: Run) -> None:
    """Set the clock, wait until it was said, and give the chain some time, step by step."""
    draw = random.Random(f"{run.seed}:{run.case.name}")
    time.sleep(draw.uniform(*run.case.pause_seconds))
    began_seconds, turns = time.monotonic(), _turns(site)
    for step in run.case.steps:
        before_ns = clock.offset_ns
        clock.set(0 if isinstance(step, str) else before_ns + step)
        set_seconds = time.monotonic()
        run.steps_seconds.append((clock.offset_ns - before_ns) / SECOND_NS)
        site.wait_for("the step to be said", lambda: _metric(site, "clock_steps_total") >= len(run.steps_seconds))
        run.said_seconds = max(run.said_seconds, time.monotonic() - set_seconds)
        time.sleep(draw.uniform(*run.case.pause_seconds))
    run.interval_seconds = (time.monotonic() - began_seconds) / max(1.0, _turns(site) - turns)


def _come_to_rest(site: Site, run: Run) -> None:
    """See the sink go on, stop the adapter, and wait for the rest of what it read."""
    before, began_seconds = _delivered(site), time.monotonic()
    site.wait_for("flow after the last step", lambda: _delivered(site) > before, REST_SECONDS)
    run.recovery_seconds = time.monotonic() - began_seconds
    site.stop(ADAPTER)
    (counts,) = noted(site.directory / "state").values()
    run.read = sum(count.read for count in counts)
    with suppress(Fatal):  # what is not there by then is lost, and the judge says so
        site.wait_for("the export of all that was read", lambda: _delivered(site) >= run.read, DELIVERY_SECONDS)


def _send_events(site: Site) -> None:
    environment = site.environment("streamforge-events", "events")
    subprocess.run([sys.executable, "-m", "streamforge", "events"], check=True, env=environment, capture_output=True)
    site.stop(SYNCD)


def _seen(site: Site, run: Run) -> Seen:
    connection = site.broker.connection("admin")
    raw, clean = (checker.in_topic(connection, topic) for topic in TOPICS)
    export = checker.in_export(site.directory / "state" / FILE)
    standing = (sum(raw.readings.values()), sum(clean.readings.values()), len(export))
    lost, doubled = max(run.read - total for total in standing), sum(times - 1 for times in export.values())
    said, windows = _said(site), checker.windows(connection, "telemetry.1s")
    wrong = {
        "holes on raw": raw.holes(),
        "doubled in a topic": raw.doubles() + clean.doubles(),
        "dropped by the adapter": _dropped(site),
        "refused by the broker": _refusals(site),
        "topics whose beginning is gone": _emptied(site),
        "readings lost": lost,
        "readings doubled": doubled,
        "said of the steps": said if list(map(round, said)) != list(map(round, run.steps_seconds)) else [],
        "seconds between barriers": 0.0 if _is_kept(run.interval_seconds) else run.interval_seconds,
    }
    return Seen(
        fault=run.case.name,
        seed=run.seed,
        number=run.number,
        acknowledged=run.read,
        lost=lost,
        doubled=doubled,
        is_reported=len(said) == len(run.steps_seconds),
        recovery_seconds=run.recovery_seconds,
        figures={
            "steps": float(len(run.steps_seconds)),
            "events": float(len(said)),
            "said_max_seconds": run.said_seconds,
            "barrier_interval_seconds": run.interval_seconds,
            "windows": float(len(windows)),
            "windows_said_twice": float(sum(times - 1 for times in windows.values())),
        },
        breaches=[f"{what}: {found}" for what, found in wrong.items() if found],
    )


def _is_kept(interval_seconds: float) -> bool:
    return LEAST_INTERVAL_SECONDS <= interval_seconds <= MOST_INTERVAL_SECONDS


def _said(site: Site) -> list[float]:
    """The seconds of every step that an event tells of."""
    found = checker.records(site.broker.connection("admin"), "events.clean")
    return [float(one.details["seconds"]) for one in found if isinstance(one, Event) and one.type == "clock_step"]


def _refusals(site: Site) -> list[str]:
    """Lines in which the broker refuses a record, or tells of one that it took out."""
    marks = ("InvalidTimestamp", "OutOfOrderSequence", "UnknownProducerId", "due to retention", "breach")
    return [line for line in site.broker.log.read_text().splitlines() if any(mark in line for mark in marks)]


def _emptied(site: Site) -> list[str]:
    reader = Reader(site.broker.connection("admin"))
    try:
        places = [place for topic in TOPICS for place in reader.partitions(topic)]
        return [str(place) for place, start in reader.starts(places).items() if start > 0]
    finally:
        reader.close()


def _dropped(site: Site) -> str:
    lines = (site.directory / f"{ADAPTER}.log").read_text().splitlines()
    return "\n".join(line for line in lines if "dropped" in line or "not_acknowledged" in line)


def _delivered(site: Site) -> int:
    """Readings that the sink has exported: counted in its files, for what it says is not what it did."""
    return len(checker.in_export(site.directory / "state" / FILE))


def _turns(site: Site) -> float:
    return sum(_metric(site, f'syncs_total{{result="{result}"}}') for result in ("done", "skipped"))


def _metric(site: Site, name: str) -> float:
    lines = site.metrics(SYNCD).splitlines()
    return float(next(line for line in lines if line.startswith(f"streamforge_{name} ")).rpartition(" ")[2])
