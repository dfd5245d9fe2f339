"""Plays one schedule: traffic and faults, then calm until everything is at rest, then the judgement."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.gateway.ledger import Ledger
from tests.faults.simulated.faults import TRAFFIC_SECONDS, Fault
from tests.faults.simulated.happen import happen
from tests.faults.simulated.judge import Verdict, judge
from tests.faults.simulated.ledger import take
from tests.faults.simulated.patches import simulated
from tests.faults.simulated.rest import is_at_rest
from tests.faults.simulated.units import UNITS
from tests.faults.simulated.world import World

# In memory where there is such a place: every start of an adapter is an fsync.
IN_MEMORY = Path("/dev/shm")
CALM_SECONDS = 4.0
MOST_REST_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One schedule, judged. `rest_seconds`: from the last fault or record until all was at rest, simulated."""

    faults: tuple[Fault, ...]
    verdict: Verdict
    ledger: Ledger
    rest_seconds: float
    breaches: tuple[str, ...]


def play_one(seed: str, faults: tuple[Fault, ...]) -> Played:
    """Play the world of a seed with these faults."""
    directory = IN_MEMORY if IN_MEMORY.is_dir() else None
    with ExitStack() as undo:
        undo.push(_named(seed, faults))
        world = World(
            seed, Path(undo.enter_context(TemporaryDirectory(prefix="streamforge-simulated-", dir=directory)))
        )
        undo.callback(world.close)
        undo.enter_context(simulated(world.clock, world.draw, world.life_at, world.new_loop))
        return _play(world, faults)


def _named(seed: str, faults: tuple[Fault, ...]) -> Callable[[object, BaseException | None, object], None]:
    """What escapes from a schedule says of which."""

    def name(_kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            error.add_note("\n".join([f"schedule {seed}", *map(str, faults)]))

    return name


def _play(world: World, faults: tuple[Fault, ...]) -> Played:
    for name in UNITS:
        world.start_later(name)
    for fault in faults:
        world.later(fault.at, lambda fault=fault: happen(world, fault))  # type: ignore[misc] # bound now
    world.run(TRAFFIC_SECONDS)
    world.plant.is_silent = True
    calm_since = world.clock.seconds
    world.run(CALM_SECONDS)
    while not (rests := is_at_rest(world)) and world.clock.seconds - calm_since < MOST_REST_SECONDS:
        world.run(1.0)
    verdict = judge(world)
    ledger = take(world)
    breaches = list(verdict.breaches)
    if not rests:
        breaches.append(f"I6: not at rest after {MOST_REST_SECONDS:g} s without a fault")
    if not ledger.balanced and world.plant.acknowledged:
        breaches.append(f"ledger: out of balance: {[row for row in ledger.rows if not row.balanced]}")
    rest_seconds = world.clock.seconds - calm_since
    return Played(faults=faults, verdict=verdict, ledger=ledger, rest_seconds=rest_seconds, breaches=tuple(breaches))
