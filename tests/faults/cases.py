"""The power cuts that are tried, one declaration each: what runs, when it is cut, and what may be lost."""

from dataclasses import dataclass, replace

from streamforge.model import Topic
from tests.faults.invariants import Bound
from tests.faults.plant import Traffic

TELEMETRY, ALARMS, EVENTS = Topic.TELEMETRY_RAW.value, Topic.ALARMS_RAW.value, Topic.EVENTS_RAW.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of cut.

    A round of `cuts` cuts takes the copies at moments drawn by the seed, `first_seconds` after the first record at the
    earliest, in a span of `span_seconds` a cut. `has_cache`: the disk has a volatile cache, which the cut loses;
    `is_partial`: but for a part of it. `has_barrier` False: no barrier runs, and nobody waits for one.
    `is_promised` False: a control experiment, which shows what the protection is for.
    """

    name: str
    fault: str
    traffic: tuple[Traffic, ...]
    has_cache: bool
    has_barrier: bool
    first_seconds: float
    span_seconds: float
    bounds: tuple[Bound, ...]
    is_partial: bool = False
    is_promised: bool = True


# From a quiet site to the busiest that one broker on a card is planned for.
READINGS = Traffic(topic=TELEMETRY, per_second=(40, 400), readings=(1, 50), linger_ms=20)
# More than one gateway reads: 100,000 readings a second and more, a segment of 16 MiB in a quarter of a minute.
FLOOD = Traffic(topic=TELEMETRY, per_second=(300, 400), readings=(400, 500), linger_ms=20)
ALARM = Traffic(topic=ALARMS, per_second=(5, 25), readings=(1, 1), linger_ms=0)
EVENT = Traffic(topic=EVENTS, per_second=(5, 25), readings=(1, 5), linger_ms=0)

SHIPPED = Case(
    name="shipped",
    fault="power cut, as shipped",
    traffic=(READINGS, ALARM, EVENT),
    has_cache=False,
    has_barrier=True,
    first_seconds=1.0,
    span_seconds=1.5,
    bounds=(
        Bound(topic=TELEMETRY, window_seconds=1.0),
        Bound(topic=ALARMS, lost=0),
        Bound(topic=EVENTS, lost=0),
    ),
)
SHIPPED_ON_A_CACHE = replace(
    SHIPPED, name="shipped-volatile-cache", fault="power cut, as shipped, disk's cache lost", has_cache=True
)
HALF_WRITTEN = replace(
    SHIPPED_ON_A_CACHE,
    name="half-written-cache",
    fault="power cut, as shipped, disk's cache written in part",
    is_partial=True,
)
FULL_LOAD = replace(
    SHIPPED,
    name="full-load",
    fault="power cut, as shipped, disk's cache lost, full load",
    traffic=(FLOOD, ALARM, EVENT),
    has_cache=True,
)
# Every alarm has a sync begin, which is one for the readings, too: without any, the clock of the barrier alone counts.
READINGS_ALONE = replace(
    SHIPPED,
    name="readings-alone",
    fault="power cut, as shipped, no alarm and no event",
    traffic=(READINGS,),
    bounds=SHIPPED.bounds[:1],
)
NO_BARRIER = Case(
    name="no-barrier",
    fault="control: power cut, no barrier",
    traffic=(READINGS, ALARM),
    has_cache=False,
    has_barrier=False,
    first_seconds=3.0,
    span_seconds=1.0,
    bounds=(Bound(topic=TELEMETRY), Bound(topic=ALARMS)),
    is_promised=False,
)
CASES = {case.name: case for case in (SHIPPED, READINGS_ALONE, SHIPPED_ON_A_CACHE, HALF_WRITTEN, FULL_LOAD, NO_BARRIER)}
