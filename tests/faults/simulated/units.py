"""The units of the simulated gateway: what systemd keeps running, each made anew with every start."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamforge.adapters.poller import PollerComponent
from streamforge.bus.connection import Connection
from streamforge.service import Component
from streamforge.sinks.runner import SinkComponent
from streamforge.transforms.aggregator import Aggregator, AggregatorConfig
from streamforge.transforms.rules import Rule
from streamforge.transforms.runner import TransformComponent
from streamforge.transforms.validator import Validator, ValidatorConfig
from tests.faults.simulated.life import Life
from tests.faults.simulated.plant import Plant, PlantPoller
from tests.faults.simulated.targets import ExactSink, RepeatingSink, Target, config

ADAPTER = "adapter"
UNITS = (ADAPTER, "validator", "aggregator", "sink-exact", "sink-repeating")
# A rate to judge makes the validator remember, so that a restart has something to rebuild.
VALIDATOR = ValidatorConfig(rate_memory_seconds=5, rules=(Rule(rate_per_second=1e9),))
AGGREGATOR = AggregatorConfig()

Make = Callable[[Life, Connection], Component]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What stands around the units."""

    plant: Plant
    targets: dict[str, Target]
    age_ms: int
    state: Path


def makers(site: Site) -> dict[str, Make]:
    """How each unit is made, by name."""

    def exact(life: Life, connection: Connection) -> Component:
        sink = ExactSink(config(site.age_ms), site.targets["sink-exact"], life)
        return SinkComponent(sink, "exact", connection=connection)

    def repeating(life: Life, connection: Connection) -> Component:
        sink = RepeatingSink(config(site.age_ms), site.targets["sink-repeating"], life)
        return SinkComponent(sink, "repeating", connection=connection)

    def adapter(life: Life, connection: Connection) -> Component:
        poller = PlantPoller(site.plant)
        return PollerComponent(poller, "plant", "plant", connection=connection, state_directory=site.state / "plant")

    def validator(life: Life, connection: Connection) -> Component:
        return TransformComponent(lambda: Validator.stages(VALIDATOR), "validator", connection=connection)

    def aggregator(life: Life, connection: Connection) -> Component:
        return TransformComponent(lambda: Aggregator.stages(AGGREGATOR), "aggregator", connection=connection)

    return dict(zip(UNITS, (adapter, validator, aggregator, exact, repeating), strict=True))
