"""What each kind of fault does to the world."""

from random import Random

from streamforge.progress import Partition
from tests.faults.simulated import power
from tests.faults.simulated.client import SimulatedProducer
from tests.faults.simulated.faults import Fault, Kind
from tests.faults.simulated.world import World


def happen(world: World, fault: Fault) -> None:
    """Now."""
    unit = world.units.get(fault.subject)
    draw = Random(fault.seed)
    match fault.kind:
        case Kind.POWER_CUT:
            power.cut(world, draw, fault.amount)
        case Kind.CLOCK_STEP:
            world.clock.step(fault.amount)
        case Kind.EVICTION:
            _evict(world, Partition(fault.subject), fault.amount)
        case Kind.BROKER_KILLED | Kind.BROKER_STOPPED:
            _broker(world, fault)
        case Kind.TARGET_AWAY:
            _target_away(world, fault)
        case Kind.ANSWER_LOST:
            world.targets[fault.subject].answers_to_lose = int(fault.amount)
        case _ if unit is None or unit.life.is_dead:
            return
        case Kind.KILL:
            world.kill(fault.subject)
        case Kind.KILL_INSIDE:
            unit.life.exchanges_left = int(fault.amount)
        case Kind.RESTART:
            unit.life.is_stopping = True
        case Kind.STOP:
            unit.life.stopped_until = world.clock.seconds + fault.amount
        case Kind.GIVE_UP:
            for client in list(unit.life.clients):
                if isinstance(client, SimulatedProducer):
                    client.fail()


def _evict(world: World, place: Partition, share: float) -> None:
    stand = world.broker.log.stands[place]
    world.broker.log.evict(place, int(len(stand.entries) * share))


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
