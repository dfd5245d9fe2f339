"""What is wrong and what to do, in the operator's words, from a snapshot. Pure."""

from dataclasses import dataclass
from datetime import tzinfo
from enum import IntEnum, StrEnum
from urllib.parse import quote

from streamforge.web import words
from streamforge.web.snapshot import Clock, Device, Sink, Snapshot, Unit, UnitState

DISK_HIGH_PERCENT, DISK_MEDIUM_PERCENT = 95, 90
CLOCK_PATIENCE_SECONDS = 120
LAG_RECORDS = 1000
KAFKA = "kafka"


class Priority(IntEnum):
    """Alarm priorities of ISA-18.2, as the page marks them."""

    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4

    @property
    def word(self) -> str:
        """For people and as the sheet's class."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One line what, one line the evidence and the next hand movement, one button (`link`, `act`)."""

    priority: Priority
    what: str
    evidence: str
    hand: str = ""
    link: str = ""
    act: str = "Show"


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
    found = [
        *(_unit_trouble(unit) for unit in snapshot.units),
        *(_silent(device, snapshot, zone) for device in snapshot.devices if device.state == "OFFLINE"),
        *(_waiting(sink, snapshot, zone) for sink in snapshot.sinks),
        _disk(snapshot),
        _ledger(snapshot),
        _clock(snapshot),
        _password() if is_first_password else None,
    ]
    todo = tuple(sorted((one for one in found if one), key=lambda one: (one.priority, one.what)))
    overall = _overall(snapshot, todo)
    headline = f"{overall.value.capitalize()}: {_number_that_matters(snapshot, overall, rate)}"
    return Verdict(overall=overall, headline=headline, safe=_safe(snapshot), todo=todo)


def _unit_trouble(unit: Unit) -> Diagnosis | None:
    if unit.faults:
        return _bad_configuration(unit)
    if unit.state is UnitState.FAILED:
        return _given_up(unit)
    name, link = readable(unit.name), f"/log?unit={unit.name}"
    if unit.state is UnitState.SILENT:
        return Diagnosis(
            priority=Priority.MEDIUM,
            what=f"{name} does not answer",
            evidence="It runs but says nothing about itself. The watchdog restarts it within 45 s.",
            hand="Wait a minute; if it stays, read its log.",
            link=link,
        )
    if unit.state is UnitState.STOPPED:
        return Diagnosis(
            priority=Priority.HIGH,
            what=f"{name} does not run",
            evidence="The configuration wants it, but it was stopped or has not been started.",
            hand="Run: streamforge apply. If it stays, read its log.",
            link=link,
        )
    if unit.state is UnitState.UNHEALTHY:
        return Diagnosis(
            priority=Priority.HIGH,
            what=f"{name} cannot work",
            evidence=unit.status or "It says no more.",
            hand="Read its last lines in the log.",
            link=link,
        )
    return None


def _bad_configuration(unit: Unit) -> Diagnosis:
    fault = unit.faults[0]
    place = f"{fault.file}, line {fault.line}" if fault.line else fault.file
    said = f"{fault.key}: {fault.message}" if fault.key else fault.message
    more = f" ({len(unit.faults) - 1} more in the log.)" if len(unit.faults) > 1 else ""
    hint = f"{fault.hint[:1].upper()}{fault.hint[1:]}. ".replace("?.", "?") if fault.hint else ""
    goes_on = "" if unit.state is UnitState.FAILED else ", the old one goes on"
    return Diagnosis(
        priority=Priority.HIGH,
        what=f"{readable(unit.name)}: its configuration is not valid{goes_on}",
        evidence=f"{place}: {said}.{more}",
        hand=f"{hint}Correct the line, then run: streamforge apply.",
        link=f"/log?unit={unit.name}",
    )


def _given_up(unit: Unit) -> Diagnosis:
    return Diagnosis(
        priority=Priority.CRITICAL if unit.name == KAFKA else Priority.HIGH,
        what=f"{readable(unit.name)} has stopped and is not started again",
        evidence=f"It failed too often within 5 minutes. {unit.status}".strip(),
        hand="Read its last lines in the log, then start it again or call the service.",
        link=f"/log?unit={unit.name}",
    )


def _silent(device: Device, snapshot: Snapshot, zone: tzinfo) -> Diagnosis:
    last = device.last_success_us
    seen = f"No answer since {words.clock(last, snapshot.taken_us, zone)}" if last else "It has never answered"
    error = f" ({device.last_error})" if device.last_error else ""
    return Diagnosis(
        priority=Priority.HIGH,
        what=f"{device.asset_id} is silent",
        evidence=f"{seen}, {device.address or device.unit}{error}.",
        hand=_hand_for(device, snapshot),
        link=f"/devices#{quote(device.asset_id)}",
    )


def _hand_for(device: Device, snapshot: Snapshot) -> str:
    """What to check first depends on who else answers at this address."""
    host = device.address.partition(" ")[0]
    here = [one for one in snapshot.devices if one.unit == device.unit and one.address.partition(" ")[0] == host]
    answering = [one.asset_id for one in here if one.state == "ONLINE"]
    if answering:
        verb = "answer" if len(answering) > 1 else "answers"
        names = " and ".join(answering[:2]) if len(answering) < 3 else f"{answering[0]} and {len(answering) - 1} others"
        return f"At the same address {names} {verb}: check this device's power and its unit number."
    if len(here) > 1:
        return "No device at this address answers: check the network cable, the power and the address."
    return "Check its power, the network cable and the address."


def _waiting(sink: Sink, snapshot: Snapshot, zone: tzinfo) -> Diagnosis | None:
    if not sink.is_waiting:
        return None
    last = sink.last_success_us
    since = f"since {words.clock(last, snapshot.taken_us, zone)}" if last else "since its start"
    return Diagnosis(
        priority=Priority.MEDIUM,
        what=f"{sink.name} takes no data",
        evidence=f"Nothing delivered {since}: {sink.last_error or 'no reason given'}.",
        hand=f"{words.plural(sink.lag_records, 'record')} wait in the log. Check the server and the way to it.",
        link="/data-out",
    )


def _disk(snapshot: Snapshot) -> Diagnosis | None:
    percent = snapshot.disk.percent
    if percent < DISK_MEDIUM_PERCENT:
        return None
    return Diagnosis(
        priority=Priority.HIGH if percent >= DISK_HIGH_PERCENT else Priority.MEDIUM,
        what=f"The disk is {percent:.0f} % full",
        evidence=f"{words.size(snapshot.disk.used_bytes)} of {words.size(snapshot.disk.total_bytes)} are used.",
        hand="The oldest readings of low priority give way first. Get the data out, or add disk.",
        link="/data-out",
    )


def _ledger(snapshot: Snapshot) -> Diagnosis | None:
    if snapshot.ledger is None or snapshot.ledger.missing == 0:
        return None
    return Diagnosis(
        priority=Priority.HIGH,
        what=f"The ledger does not balance: {words.plural(abs(snapshot.ledger.missing), 'reading')}",
        evidence="What was read is not what was delivered, waits, was rejected or evicted.",
        hand="Note the numbers below and report them.",
    )


def _clock(snapshot: Snapshot) -> Diagnosis | None:
    if snapshot.clock is not Clock.NOT_SYNCED or snapshot.uptime_seconds < CLOCK_PATIENCE_SECONDS:
        return None
    return Diagnosis(
        priority=Priority.LOW,
        what="The clock is not synchronised",
        evidence="No time server has answered since the start. Readings are kept and marked.",
        hand="Connect a time server, or live with the gateway's own clock.",
    )


def _password() -> Diagnosis:
    return Diagnosis(
        priority=Priority.LOW,
        what="The first password is still in use",
        evidence="It was shown on the console of this gateway.",
        hand="Choose your own.",
        link="/account",
        act="Change",
    )


def _overall(snapshot: Snapshot, todo: tuple[Diagnosis, ...]) -> Overall:
    states = {unit.state for unit in snapshot.units}
    kafka = next((unit.state for unit in snapshot.units if unit.name == KAFKA), UnitState.HEALTHY)
    if kafka is UnitState.FAILED:
        return Overall.FAILED
    if kafka in (UnitState.UNHEALTHY, UnitState.SILENT) or UnitState.FAILED in states:
        return Overall.UNHEALTHY
    if kafka is UnitState.STARTING or not snapshot.units:
        return Overall.STARTING
    is_degraded = any(one.priority <= Priority.MEDIUM for one in todo) or UnitState.DEGRADED in states
    return Overall.DEGRADED if is_degraded else Overall.NORMAL


def _number_that_matters(snapshot: Snapshot, overall: Overall, rate: float) -> str:
    bad_units = [unit for unit in snapshot.units if unit.state in (UnitState.FAILED, UnitState.UNHEALTHY)]
    if overall in (Overall.FAILED, Overall.UNHEALTHY) and bad_units:
        more = f", and {len(bad_units) - 1} more" if len(bad_units) > 1 else ""
        return f"{readable(bad_units[0].name)} does not run{more}"
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
        ill = next((unit for unit in snapshot.units if unit.state is UnitState.DEGRADED), None)
        return f"{readable(ill.name)}: {ill.status}" if ill is not None and ill.status else "see what to do"
    if not total:
        return "no device is configured yet"
    answer = f"all {total} devices answer" if total > 1 else "1 device answers"
    return f"{answer}, {words.rate(rate)} readings a second"


def _safe(snapshot: Snapshot) -> str:
    waiting = [sink for sink in snapshot.sinks if sink.is_waiting]
    behind = [sink for sink in snapshot.sinks if not sink.is_waiting and sink.lag_records > LAG_RECORDS]
    if snapshot.ledger is not None and snapshot.ledger.evicted:
        kept = f"{words.plural(snapshot.ledger.evicted, 'reading')} had to give way before delivery."
    else:
        kept = "Everything read is kept."
    if waiting:
        names = " and ".join(sink.name for sink in waiting)
        return f"{kept} Data out to {names} waits and goes on by itself."
    if behind:
        records = words.plural(sum(sink.lag_records for sink in behind), "record")
        return f"{kept} {records} are on their way out."
    if snapshot.sinks:
        return f"{kept} Delivery is up to date."
    return f"{kept} Nothing is delivered: no way out is configured."


def readable(unit: str) -> str:
    """A unit as people call it: "Adapter modbus-tcp/plant", "Validator", "The log (Kafka)"."""
    if unit == KAFKA:
        return "The log (Kafka)"
    kind, _, rest = unit.removeprefix("streamforge-").partition("-")
    if kind in ("adapter", "sink", "transform") and rest:
        name = rest.replace("@", "/")
        return name.capitalize() if kind == "transform" else f"{kind.capitalize()} {name}"
    return unit.removeprefix("streamforge-").replace("@", "/").capitalize()
