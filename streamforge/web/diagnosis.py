"""What is wrong and what to do, in the operator's words, from a snapshot. Pure."""

from dataclasses import dataclass
from datetime import tzinfo
from enum import IntEnum
from urllib.parse import quote

from streamforge.web import words
from streamforge.web.snapshot import Clock, Device, Sink, Snapshot, Unit, UnitState

DISK_HIGH_PERCENT, DISK_MEDIUM_PERCENT = 95, 90
CLOCK_PATIENCE_SECONDS = 120
KAFKA, SYNCD, OVERFLOW = "kafka", "streamforge-syncd", "streamforge-overflow"
_HELD = " Adapters go on reading and hold the readings in memory meanwhile."
_NAMES = {
    KAFKA: "The log (Kafka)",
    SYNCD: "Safety from power cuts",
    OVERFLOW: "Room for the log",
    "streamforge-web": "This page",
    "streamforge-firstboot": "First start",
    "streamforge-instances": "Start of adapters and sinks",
    "streamforge-topics": "Topics of the log",
    "streamforge-reconcile": "What a cut of the log has cost",
    "streamforge-events": "Events that wait for the log",
    "streamforge-sim": "Simulated plant",
    "streamforge-plant": "Simulated plant",
    "streamforge-plant-broker": "Broker of the simulated plant",
}
# systemd.exec(5), $SERVICE_RESULT.
_ENDS = {
    "signal": "was killed",
    "core-dump": "crashed",
    "watchdog": "hung and was ended by the watchdog",
    "timeout": "was not ready in time",
    "oom-kill": "needed more memory than it may have",
}


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


def find(snapshot: Snapshot, *, zone: tzinfo, is_first_password: bool = False) -> tuple[Diagnosis, ...]:
    """Everything that is wrong, the worst first."""
    found = [
        *(_unit_trouble(unit) for unit in snapshot.units),
        *(_bad_disk(unit) for unit in snapshot.units if unit.name == SYNCD),
        *(_full_log(unit) for unit in snapshot.units if unit.name == OVERFLOW),
        *_silences(snapshot, zone),
        *(_partly(device) for device in snapshot.devices if device.state == "PARTLY"),
        *(_waiting(sink, snapshot, zone) for sink in snapshot.sinks),
        _disk(snapshot),
        _ledger(snapshot),
        _clock(snapshot),
        _password() if is_first_password else None,
    ]
    return tuple(sorted((one for one in found if one), key=lambda one: (one.priority, one.what)))


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
        is_log = unit.name == KAFKA
        return Diagnosis(
            priority=Priority.CRITICAL if is_log else Priority.HIGH,
            what=f"{name} does not run",
            evidence=f"It is wanted, but it was stopped or has not been started.{_HELD if is_log else ''}",
            hand=f"Start it (systemctl start {unit.name}) or restart the gateway. If that does not help, read its log.",
            link=link,
        )
    if unit.state is UnitState.UNHEALTHY and unit.name not in (SYNCD, OVERFLOW):
        return Diagnosis(
            priority=Priority.HIGH,
            what=f"{name} cannot work",
            evidence=unit.status or "It says no more.",
            hand="Read its last lines in the log.",
            link=link,
        )
    return None


def _bad_disk(unit: Unit) -> Diagnosis | None:
    if unit.state not in (UnitState.UNHEALTHY, UnitState.DEGRADED):
        return None
    is_slow = unit.state is UnitState.DEGRADED
    return Diagnosis(
        priority=Priority.MEDIUM if is_slow else Priority.CRITICAL,
        what="The disk is slow" if is_slow else "The disk does not take what is written",
        evidence=f"{unit.status[:1].upper()}{unit.status[1:]}.",
        hand="A memory card that becomes slow is near its end: have another one ready."
        if is_slow
        else "Reboot the gateway. If it stays or comes again, replace the disk.",
        link=f"/log?unit={unit.name}",
    )


def _full_log(unit: Unit) -> Diagnosis | None:
    if unit.state not in (UnitState.UNHEALTHY, UnitState.DEGRADED):
        return None
    is_full = unit.state is UnitState.UNHEALTHY
    return Diagnosis(
        priority=Priority.CRITICAL if is_full else Priority.MEDIUM,
        what="The log is full" if is_full else "The log fills up",
        evidence=f"{unit.status[:1].upper()}{unit.status[1:]}.",
        hand="See which sink does not deliver, remove files and logs set aside, or add disk."
        if is_full
        else "See which sink does not deliver, and what else fills the disk. What matters least gives way first.",
        link="/data-out",
    )


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
    is_log = unit.name == KAFKA
    return Diagnosis(
        priority=Priority.CRITICAL if is_log else Priority.HIGH,
        what=f"{readable(unit.name)} has failed and is not started again",
        evidence=f"{_why(unit.status)}{_HELD if is_log else ''}",
        hand="Read its last lines in the log, then run: "
        f"systemctl reset-failed {unit.name}; systemctl start {unit.name}.",
        link=f"/log?unit={unit.name}",
    )


def _why(status: str) -> str:
    """systemd's word for how a unit ended, as a sentence."""
    if status.startswith("bad configuration"):
        return "Its configuration or a secret of it is not right."
    result = status.partition("(")[2].rstrip(")")
    return f"It was started 5 times within 5 minutes; the last time it {_ENDS.get(result, 'ended with an error')}."


def _silences(snapshot: Snapshot, zone: tzinfo) -> list[Diagnosis]:
    """One diagnosis a silent device; but one for all where nothing at their common address answers."""
    by_host: dict[tuple[str, str], list[Device]] = {}
    for device in snapshot.devices:
        by_host.setdefault((device.unit, _host(device)), []).append(device)
    found: list[Diagnosis] = []
    for (_, host), here in by_host.items():
        silent = [device for device in here if device.state == "OFFLINE"]
        if host and len(silent) > 1 and len(silent) == len(here):
            found.append(_all_silent(host, silent, snapshot, zone))
        else:
            found += [_silent(device, snapshot, zone) for device in silent]
    return found


def _host(device: Device) -> str:
    return device.address.partition(" ")[0]


def _all_silent(host: str, devices: list[Device], snapshot: Snapshot, zone: tzinfo) -> Diagnosis:
    last = max(device.last_success_us for device in devices)
    seen = f"No answer since {words.clock(last, snapshot.taken_us, zone)}" if last else "They have never answered"
    names = words.listed([device.asset_id for device in devices])
    return Diagnosis(
        priority=Priority.HIGH,
        what=f"Nothing answers at {host}: {names} are silent",
        evidence=f"{seen}{_because(devices[0], host)}.",
        hand="Check the network cable, the power of the PLC and its address.",
        link="/devices",
    )


def _because(device: Device, host: str) -> str:
    """What the device's last error says beyond its address."""
    error = device.last_error.removeprefix(f"{host}: ")
    return f" ({error[:1].lower()}{error[1:]})" if error else ""


def _partly(device: Device) -> Diagnosis:
    return Diagnosis(
        priority=Priority.MEDIUM,
        what=f"{device.asset_id} answers only in part",
        evidence=f"Some of its {device.points} points do not answer{_because(device, _host(device))}.",
        hand="Wait a minute; if it stays, compare the points of the configuration with the device's manual.",
        link=f"/devices#{quote(device.asset_id)}",
    )


def _silent(device: Device, snapshot: Snapshot, zone: tzinfo) -> Diagnosis:
    last = device.last_success_us
    seen = f"No answer since {words.clock(last, snapshot.taken_us, zone)}" if last else "It has never answered"
    return Diagnosis(
        priority=Priority.HIGH,
        what=f"{device.asset_id} is silent",
        evidence=f"{seen}, {device.address or device.unit}{_because(device, _host(device))}.",
        hand=_hand_for(device, snapshot),
        link=f"/devices#{quote(device.asset_id)}",
    )


def _hand_for(device: Device, snapshot: Snapshot) -> str:
    """What to check first depends on who else answers at this address."""
    here = [one for one in snapshot.devices if one.unit == device.unit and _host(one) == _host(device)]
    answering = [one.asset_id for one in here if one.state == "ONLINE"]
    if answering:
        verb = "answer" if len(answering) > 1 else "answers"
        return f"At the same address {words.listed(answering)} {verb}: check this device's power and its unit number."
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


def readable(unit: str) -> str:
    """A unit as people call it: "Adapter modbus-tcp/plant", "Validator", "The log (Kafka)"."""
    if unit in _NAMES:
        return _NAMES[unit]
    kind, _, rest = unit.removeprefix("streamforge-").partition("-")
    if kind in ("adapter", "sink", "transform") and rest:
        name = rest.replace("@", "/")
        return name.capitalize() if kind == "transform" else f"{kind.capitalize()} {name}"
    return unit.removeprefix("streamforge-").replace("@", "/").capitalize()
