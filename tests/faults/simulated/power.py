"""The power goes, and comes back: the doctor opens an incarnation, reconcile says what was lost, the units start."""

from random import Random

from streamforge.adapters.epochs import noted
from streamforge.errors import NotConnected
from streamforge.gateway.cut_losses import Promise
from streamforge.gateway.reconcile import reconcile
from streamforge.incarnations import Incarnations
from tests.faults.simulated.life import Killed, Life
from tests.faults.simulated.units import UNITS
from tests.faults.simulated.world import World

OFF_SECONDS = (0.2, 3.0)
AGAIN_SECONDS = 0.5


def cut(world: World, draw: Random, wall_step_seconds: float) -> None:
    """Everything dies at once; in a while it boots, with the wall clock set by so much."""
    if not world.is_powered:
        return
    world.is_powered = False
    world.boots += 1
    for unit in world.units.values():
        unit.life.end()
    world.broker.die()
    firsts = world.broker.log.cut(draw)
    world.clock.step(wall_step_seconds)

    def boot() -> None:
        held = _held(world).opening(opened_at_us=world.clock.wall_us(), reason="the power went", firsts=firsts)
        world.publish(held.to_json())
        world.is_powered = world.broker.is_up = True
        _reconcile(world, draw)
        for name in UNITS:
            world.start_later(name)

    world.later(draw.uniform(*OFF_SECONDS), boot)


def _held(world: World) -> Incarnations:
    if not world.incarnations_file.exists():
        return Incarnations()
    return Incarnations.from_json(world.incarnations_file.read_bytes())


def _reconcile(world: World, draw: Random) -> None:
    """The real one, before every unit; it may be killed and is started again."""
    promises = {
        adapter: [
            Promise(epoch=one.epoch, read=one.read, promised=one.promised, incarnation=one.incarnation, began=one.began)
            for one in counts
        ]
        for adapter, counts in noted(world.directory).items()
    }
    cuts = world.broker.log.cuts
    while world.broker.log.cuts == cuts:  # after the next cut it is the next boot's
        life = Life("reconcile", world.broker)
        life.exchanges_left = draw.choice((None, None, None, draw.randint(0, 20)))
        try:
            reconcile(world.connection(life), promises, world.directory)
        except Killed:
            life.end()
        except NotConnected:
            life.end()
            world.wait(AGAIN_SECONDS)  # as with systemd: without it a broker that is stopped would never go on
        else:
            return
