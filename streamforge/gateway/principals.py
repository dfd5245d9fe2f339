"""Who may do what at the broker: one principal a unit template, and the topics each may read and write.

A SCRAM user, the ACL principal and the credential `kafka-<name>` have one name: the template's unit name without
`streamforge-` and the suffix. Instances of a template share it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from streamforge.gateway.topics import TOPICS, Priority
from streamforge.model import AGGREGATES, DELIVERED, Topic

CREDENTIAL_PREFIX = "kafka-"
ALARMS = (Topic.ALARMS_RAW, Topic.ALARMS_CLEAN)
EVICTABLE = tuple(share.topic for share in TOPICS if share.priority is not Priority.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """One SCRAM user. Who writes a topic may read it too: a writer finds its place again in the tail of its output."""

    name: str
    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    deletes: tuple[Topic, ...] = ()
    alters: tuple[Topic, ...] = ()
    # Whoever may grant rights has every right; the broker says so for these, instead of ACLs that only look narrower.
    is_super: bool = False

    @property
    def readable(self) -> tuple[Topic, ...]:
        """Every topic it may read, sorted."""
        return tuple(sorted({*self.reads, *self.writes, *self.deletes, *self.alters}))


def _poller(name: str) -> Principal:
    return Principal(name=name, writes=(Topic.TELEMETRY_RAW, Topic.EVENTS_RAW, Topic.ALARMS_RAW))


def _subscriber(name: str) -> Principal:
    """What it cannot read of what arrives is kept as dead letters."""
    return Principal(name=name, writes=(*_poller(name).writes, Topic.DLQ_TELEMETRY))


def _sink(name: str) -> Principal:
    return Principal(name=name, reads=DELIVERED, writes=(Topic.DLQ_TELEMETRY,))


# What the code uses today and nothing that it may use one day: a test holds it against the transforms' own topics.
PRINCIPALS = (
    Principal(name="kafka", is_super=True),
    Principal(name="admin", is_super=True),
    Principal(name="topics", is_super=True),
    _poller("adapter-modbus-tcp"),
    _subscriber("adapter-opcua"),
    Principal(
        name="transform-validator",
        reads=(Topic.TELEMETRY_RAW,),
        writes=(Topic.TELEMETRY_CLEAN, Topic.DLQ_TELEMETRY, Topic.EVENTS_CLEAN),
    ),
    Principal(name="transform-aggregator", reads=(Topic.TELEMETRY_CLEAN,), writes=(*AGGREGATES, Topic.EVENTS_CLEAN)),
    _sink("sink-file"),
    _sink("sink-timescaledb"),
    _sink("sink-postgres"),
    Principal(name="reconcile", reads=(Topic.TELEMETRY_RAW,), writes=(Topic.EVENTS_CLEAN,)),
    Principal(name="events", writes=(Topic.EVENTS_CLEAN,)),
    # It reads when the records were written that it deletes, and of alarms whether they are cleared; it moves retention
    # from topic to topic.
    Principal(
        name="overflow",
        writes=(Topic.EVENTS_CLEAN, Topic.ALARMS_RAW),
        deletes=(*EVICTABLE, *ALARMS),
        alters=EVICTABLE,
    ),
    Principal(name="web", reads=(Topic.TELEMETRY_RAW, Topic.TELEMETRY_CLEAN)),
)
SUPER_USERS = tuple(principal.name for principal in PRINCIPALS if principal.is_super)


def passwords(directory: Path) -> dict[str, str]:
    """Principal -> password, of every principal whose credential `kafka-<name>` stands in the directory."""
    found = {}
    for principal in PRINCIPALS:
        path = directory / f"{CREDENTIAL_PREFIX}{principal.name}"
        if os.access(path, os.R_OK):
            found[principal.name] = path.read_text()
    return found
