"""Whether the simulated gateway has come to rest: nothing is under way, nobody is behind."""

from streamforge.health import State
from tests.faults.simulated.client import SimulatedProducer
from tests.faults.simulated.units import ADAPTER
from tests.faults.simulated.world import Unit, World


def is_at_rest(world: World) -> bool:
    """The broker answers; every unit runs, is well by its own word, has nothing under way, has read what there is."""
    return world.broker.answers and all(_rests(unit) for unit in world.units.values())


def _rests(unit: Unit) -> bool:
    if unit.component is None or unit.life.is_dead:
        return False
    health = unit.component.health()
    details = health.details
    lags = [stage["lag_records"] for stage in details.get("stages", [])]
    lags += [details.get("waiting_bytes", 0), details.get("lag_records", 0)]
    if unit.name == ADAPTER:  # a device may have said something BAD last
        is_well = "waiting for" not in health.status
    else:
        is_well = health.state is State.HEALTHY and bool(details.get("stages") or details.get("progress"))
    producers = [client for client in unit.life.clients if isinstance(client, SimulatedProducer)]
    is_quiet = all(client.is_closed or not any(client._queues.values()) for client in producers)
    return is_well and not any(lags) and is_quiet
