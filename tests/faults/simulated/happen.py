"""What each kind of fault does to the world."""

from random import Random

from streamforge.progress import Partition
from tests.faults.simulated import power
from tests.faults.simulated.client import SimulatedProducer
from tests.faults.simulated.faults import Fault, Kind
from tests.faults.simulated.life import Life
from tests.faults.simulated.world import World


def happen(world: World, fault: Fault) -> None:
    """Now. What hits a unit that does not run hits nothing."""
    unit = world.units.get(fault.subject)
    if fault.kind in _TO_THE_WORLD:
        _TO_THE_WORLD[fault.kind](world, fault)
    elif unit is not None and not unit.life.is_dead:
        _TO_A_UNIT[fault.kind](world, unit.life, fault)


def _power_cut(world: World, fault: Fault) -> None:
    power.cut(world, Random(fault.seed), fault.amount)


def _clock_step(world: World, fault: Fault) -> None:
    world.clock.step(fault.amount)


def _evict(world: World, fault: Fault) -> None:
    place = Partition(fault.subject)
    stand = world.broker.log.stands[place]
    world.broker.log.evict(place, int(len(stand.entries) * fault.amount))


def _broker(world: World, fault: Fault) -> None:
    broker, boot = world.broker, world.boots
    if not broker.answers:
        return
    if fault.kind is Kind.BROKER_KILLED:
        broker.die()
    else:
        broker.is_stopped = True

    def back() -> None:
        if world.boots == boot:
            broker.is_up = True
            broker.go_on()

    world.later(fault.amount, back)


def _target_away(world: World, fault: Fault) -> None:
    target = world.targets[fault.subject]
    target.is_away = True

    def back() -> None:
        target.is_away = False

    world.later(fault.amount, back)


def _answer_lost(world: World, fault: Fault) -> None:
    world.targets[fault.subject].answers_to_lose = int(fault.amount)


def _kill(world: World, life: Life, fault: Fault) -> None:
    world.kill(life.name)


def _kill_inside(world: World, life: Life, fault: Fault) -> None:
    life.exchanges_left = int(fault.amount)


def _restart(world: World, life: Life, fault: Fault) -> None:
    life.is_stopping = True


def _stop(world: World, life: Life, fault: Fault) -> None:
    life.stopped_until = world.clock.seconds + fault.amount


def _give_up(world: World, life: Life, fault: Fault) -> None:
    for client in list(life.clients):
        if isinstance(client, SimulatedProducer):
            client.fail()


_TO_THE_WORLD = {
    Kind.POWER_CUT: _power_cut,
    Kind.CLOCK_STEP: _clock_step,
    Kind.EVICTION: _evict,
    Kind.BROKER_KILLED: _broker,
    Kind.BROKER_STOPPED: _broker,
    Kind.TARGET_AWAY: _target_away,
    Kind.ANSWER_LOST: _answer_lost,
}
_TO_A_UNIT = {
    Kind.KILL: _kill,
    Kind.KILL_INSIDE: _kill_inside,
    Kind.RESTART: _restart,
    Kind.STOP: _stop,
    Kind.GIVE_UP: _give_up,
}
