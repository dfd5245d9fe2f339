"""The state of the whole gateway in one sentence, and what is safe and what waits, from a snapshot. Pure."""

from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from streamforge.web import diagnosis, words
from streamforge.web.diagnosis import Diagnosis
from streamforge.web.snapshot import DOWN, Snapshot, Unit, UnitState

LAG_RECORDS = 1000


class Overall(StrEnum):
    """The first word of the page."""

    NORMAL = "normal"
    STARTING = "starting"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The state of the whole gateway: the word, the number that matters, and what is safe and what waits."""

    overall: Overall
    headline: str
    safe: str
    todo: tuple[Diagnosis, ...]


def judge(snapshot: Snapshot, *, zone: tzinfo, rate: float, is_first_password: bool = False) -> Verdict:
    """Everything that is wrong, the worst first, and one sentence for all of it. `rate` is readings a second."""
    todo = diagnosis.find(snapshot, zone=zone, is_first_password=is_first_password)
    overall = _overall(snapshot, todo)
    headline = f"{overall.value.capitalize()}: {_number_that_matters(snapshot, overall, rate)}"
    return Verdict(overall=overall, headline=headline, safe=_safe(snapshot), todo=todo)


def _overall(snapshot: Snapshot, todo: tuple[Diagnosis, ...]) -> Overall:
    states = {unit.state for unit in snapshot.units}
    kafka = next((unit.state for unit in snapshot.units if unit.name == diagnosis.KAFKA), UnitState.HEALTHY)
    if kafka is UnitState.FAILED:
        return Overall.FAILED
    is_log_ill = kafka in (UnitState.UNHEALTHY, UnitState.SILENT, UnitState.STOPPED)
    if is_log_ill or is_disk_bad(snapshot) or is_log_full(snapshot) or UnitState.FAILED in states:
        return Overall.UNHEALTHY
    if kafka is UnitState.STARTING or not snapshot.units:
        return Overall.STARTING
    is_degraded = any(one.priority <= diagnosis.Priority.MEDIUM for one in todo) or UnitState.DEGRADED in states
    return Overall.DEGRADED if is_degraded else Overall.NORMAL


def _number_that_matters(snapshot: Snapshot, overall: Overall, rate: float) -> str:
    # The log first: without it the others can only wait.
    bad_units = sorted(
        (unit for unit in snapshot.units if unit.state in DOWN), key=lambda unit: unit.name != diagnosis.KAFKA
    )
    if overall in (Overall.FAILED, Overall.UNHEALTHY) and bad_units:
        more = f", and {len(bad_units) - 1} more" if len(bad_units) > 1 else ""
        return f"{_said_to_be_down(bad_units[0])}{more}"
    if overall is Overall.STARTING:
        return "the gateway is coming up"
    return _trouble_outside(snapshot) or _all_well(snapshot, overall, rate)


def _trouble_outside(snapshot: Snapshot) -> str:
    offline = sum(device.state == "OFFLINE" for device in snapshot.devices)
    if offline:
        verb = "does" if offline == 1 else "do"
        return f"{offline} of {words.plural(len(snapshot.devices), 'device')} {verb} not answer"
    waiting = [sink.name for sink in snapshot.sinks if sink.is_waiting]
    return f"{waiting[0]} takes no data" if waiting else ""


def _all_well(snapshot: Snapshot, overall: Overall, rate: float) -> str:
    total = len(snapshot.devices)
    if overall is Overall.DEGRADED:
        return _who_is_ill(snapshot)
    if not total:
        return "no device is configured yet"
    answer = f"all {total} devices answer" if total > 1 else "1 device answers"
    return f"{answer}, {words.rate(rate)} readings a second"


def _who_is_ill(snapshot: Snapshot) -> str:
    ill = next((unit for unit in snapshot.units if unit.state is UnitState.DEGRADED and unit.status), None)
    if ill is not None:
        return f"{diagnosis.readable(ill.name)}: {ill.status}"
    down = next((unit for unit in snapshot.units if unit.state in DOWN), None)
    return _said_to_be_down(down) if down is not None else "see what to do"


def _said_to_be_down(unit: Unit) -> str:
    name = diagnosis.readable(unit.name)
    return f"{name[:1].lower()}{name[1:]} {DOWN[unit.state]}"


def is_log_down(snapshot: Snapshot) -> bool:
    """Whether nothing can be written to the log now."""
    return any(
        unit.name == diagnosis.KAFKA and (unit.state in DOWN or unit.state is UnitState.STARTING)
        for unit in snapshot.units
    )


def is_disk_bad(snapshot: Snapshot) -> bool:
    """Whether what is written now does not reach the disk."""
    return any(unit.name == diagnosis.SYNCD and unit.state is UnitState.UNHEALTHY for unit in snapshot.units)


def is_log_full(snapshot: Snapshot) -> bool:
    """Whether there is no room for what is read now."""
    return any(unit.name == diagnosis.OVERFLOW and unit.state is UnitState.UNHEALTHY for unit in snapshot.units)


def _not_kept(snapshot: Snapshot) -> str:
    """What becomes of new readings where the log or the disk does not take them; "" = they are kept."""
    if is_disk_bad(snapshot):
        return "What is read now goes on its way, but the disk does not take it: a power cut loses it."
    if is_log_down(snapshot):
        held = f" ({words.size(snapshot.held_bytes)})" if snapshot.held_bytes else ""
        return f"What was read before is kept. New readings wait in memory{held} until the log runs again."
    if is_log_full(snapshot):
        return "Alarms and events are kept. New readings wait in memory until the disk has room."
    return ""


def _safe(snapshot: Snapshot) -> str:
    if said := _not_kept(snapshot):
        return said
    waiting = [sink for sink in snapshot.sinks if sink.is_waiting]
    behind = [sink for sink in snapshot.sinks if not sink.is_waiting and sink.lag_records > LAG_RECORDS]
    if snapshot.ledger is not None and snapshot.ledger.evicted:
        kept = f"{words.plural(snapshot.ledger.evicted, 'reading')} had to give way before delivery."
    else:
        kept = "Everything read is kept."
    if silent := [one.instance for one in snapshot.sinks_down]:
        return f"{kept} For {words.listed(silent)} it waits in the log until that runs again."
    if waiting:
        names = " and ".join(sink.name for sink in waiting)
        return f"{kept} Data out to {names} waits and goes on by itself."
    if behind:
        records = words.plural(sum(sink.lag_records for sink in behind), "record")
        return f"{kept} {records} are on their way out."
    if snapshot.sinks:
        return f"{kept} Delivery is up to date."
    return f"{kept} Nothing is delivered: no way out is configured."
